//! What a fact is called in the journal, and which packet it is about. Called by whoever reads events.

use super::event::EventKind;
use super::id::PacketId;

impl EventKind {
    /// Returns the packet that the fact is about, if it is about one.
    pub fn packet(&self) -> Option<&PacketId> {
        match self {
            Self::UnitStarted { unit } => unit.packet(),
            Self::PacketCollected { packet, .. }
            | Self::PacketEmptied { packet, .. }
            | Self::PacketFinished { packet }
            | Self::PacketFailed { packet, .. }
            | Self::PacketTurned { packet, .. }
            | Self::PacketPostponed { packet, .. }
            | Self::PacketAccepted { packet, .. }
            | Self::PacketMerged { packet, .. }
            | Self::PacketConflicted { packet, .. }
            | Self::PacketBlamed { packet, .. }
            | Self::PacketRestacked { packet, .. }
            | Self::ConflictResolved { packet, .. }
            | Self::RungFailed { packet, .. }
            | Self::MergeDoubted { packet, .. }
            | Self::ResolutionRefused { packet, .. }
            | Self::PacketClaimed { packet, .. }
            | Self::PacketReturned { packet, .. }
            | Self::PacketRetried { packet, .. }
            | Self::PacketReleased { packet }
            | Self::PacketGivenUp { packet, .. } => Some(packet),
            Self::PacketAdded { packet, .. }
            | Self::RevertAsked { packet, .. }
            | Self::ResolverAsked { packet, .. } => Some(&packet.id),
            Self::JobFailed { packet, .. } => packet.as_ref(),
            _ => None,
        }
    }

    /// Returns the fact's name, as it stands in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PlanFrozen { .. } => "PlanFrozen",
            Self::BranchCarved { .. } => "BranchCarved",
            Self::PlanAmended { .. } => "PlanAmended",
            Self::RunStarted { .. } => "RunStarted",
            Self::RunEnded { .. } => "RunEnded",
            Self::UnitStarted { .. } => "UnitStarted",
            Self::UnitNoted { .. } => "UnitNoted",
            Self::UnitEnded { .. } => "UnitEnded",
            Self::OpBegan { .. } => "OpBegan",
            Self::OpEnded { .. } => "OpEnded",
            Self::PacketCollected { .. } => "PacketCollected",
            Self::PacketEmptied { .. } => "PacketEmptied",
            Self::PacketFinished { .. } => "PacketFinished",
            Self::PacketFailed { .. } => "PacketFailed",
            Self::PacketTurned { .. } => "PacketTurned",
            Self::PacketPostponed { .. } => "PacketPostponed",
            Self::PacketAccepted { .. } => "PacketAccepted",
            Self::PacketMerged { .. } => "PacketMerged",
            Self::PacketConflicted { .. } => "PacketConflicted",
            Self::PacketBlamed { .. } => "PacketBlamed",
            Self::IntegrationRebuilt { .. } => "IntegrationRebuilt",
            Self::PacketRestacked { .. } => "PacketRestacked",
            Self::ConflictResolved { .. } => "ConflictResolved",
            Self::ResolverAsked { .. } => "ResolverAsked",
            Self::RungFailed { .. } => "RungFailed",
            Self::MergeDoubted { .. } => "MergeDoubted",
            Self::ResolutionRefused { .. } => "ResolutionRefused",
            Self::PacketClaimed { .. } => "PacketClaimed",
            Self::PacketReturned { .. } => "PacketReturned",
            Self::PacketRetried { .. } => "PacketRetried",
            Self::PacketGivenUp { .. } => "PacketGivenUp",
            Self::RadarSwept { .. } => "RadarSwept",
            Self::RevertAsked { .. } => "RevertAsked",
            Self::TargetSeen { .. } => "TargetSeen",
            Self::TargetMerged { .. } => "TargetMerged",
            Self::TargetConflicted { .. } => "TargetConflicted",
            Self::IntegrationWeighed { .. } => "IntegrationWeighed",
            Self::PushAsked { .. } => "PushAsked",
            Self::EvidenceRecorded { .. } => "EvidenceRecorded",
            Self::EvidenceDropped { .. } => "EvidenceDropped",
            Self::GateOpened { .. } => "GateOpened",
            Self::GateDecided { .. } => "GateDecided",
            Self::GateExpired { .. } => "GateExpired",
            Self::RequestTaken { .. } => "RequestTaken",
            Self::RequestRefused { .. } => "RequestRefused",
            Self::JobFailed { .. } => "JobFailed",
            Self::ScriptBegan { .. } => "ScriptBegan",
            Self::CallAsked { .. } => "CallAsked",
            Self::CallTurned { .. } => "CallTurned",
            Self::CallPostponed { .. } => "CallPostponed",
            Self::CallAnswered { .. } => "CallAnswered",
            Self::PacketAdded { .. } => "PacketAdded",
            Self::PacketReleased { .. } => "PacketReleased",
            Self::ScriptSaid { .. } => "ScriptSaid",
            Self::ScriptEnded { .. } => "ScriptEnded",
            Self::Archived { .. } => "Archived",
        }
    }
}
