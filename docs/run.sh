#!/usr/bin/env bash
# Draws docs/run.svg: what `dynwf status` really prints in the middle of a run, in colour.
#
#     docs/run.sh target/release/dynwf > docs/run.svg
#
# Makes a repository in a temporary folder, with seven packets whose agents are shell commands (one of them under the
# name of `codex`), waits until each has come to where it is going, and turns the terminal's colours into SVG.
set -euo pipefail
dynwf="$(realpath "$1")"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
export HOME="$scratch/home" GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8
mkdir -p "$HOME" "$scratch/bin" "$scratch/shop"
git config --global user.name Ada
git config --global user.email ada@example.com
PATH="$scratch/bin:$PATH"

# Plays Codex: edits, reports what it used. In `search` it stays until the picture is drawn.
cat >"$scratch/bin/codex" <<EOF
#!/bin/sh
echo '{"type":"thread.started","thread_id":"t"}'
crate=\$(dirname "\${DYNWF_SCOPE%%/\*\*}/x")
for file in \$crate/src/*.rs; do sed -i 's/log::/tracing::/' "\$file"; done
case \$DYNWF_PACKET in
*search) until [ -e "$scratch/shop/.git/go" ]; do sleep 0.2; done ;;
esac
echo '{"type":"turn.completed","usage":{"input_tokens":40210,"output_tokens":1204}}'
EOF
chmod +x "$scratch/bin/codex"

cd "$scratch/shop"
git init -q -b main
for crate in cli core net search printer; do
    mkdir -p "crates/$crate/src"
    for file in lib wire store; do
        printf 'pub fn %s() {\n    log::info!("%s");\n}\n' "$file" "$file" >"crates/$crate/src/$file.rs"
    done
done
printf '# Changelog\n\n## Unreleased\n\n- Nothing yet.\n' >CHANGELOG.md
printf 'version = 4\n' >Cargo.lock
git add -A
git commit -qm 'Five crates'

cat >"$scratch/plan.toml" <<'EOF'
goal = "Every crate logs through tracing"
[integration]
overlap = "allow"
order = "plan"
[[check]]
name = "tests"
run = "true"
[[packet]]
id = "01-cli"
objective = "Log through tracing in cli"
scope = ["crates/cli/**", "CHANGELOG.md"]
run = "sed -i 's/log::/tracing::/' crates/cli/src/*.rs; sed -i 's/Nothing yet/cli traces/' CHANGELOG.md"
[[packet]]
id = "02-core"
objective = "Log through tracing in core"
scope = ["crates/core/**", "Cargo.lock"]
run = "sed -i 's/log::/tracing::/' crates/core/src/*.rs; echo '# tracing' >> Cargo.lock"
[[packet]]
id = "03-net"
objective = "Log through tracing in net"
scope = ["crates/net/**"]
agent = "codex"
[[packet]]
id = "04-search"
objective = "Log through tracing in search"
scope = ["crates/search/**"]
agent = "codex"
[[packet]]
id = "05-printer"
objective = "Log through tracing in printer"
scope = ["crates/printer/**", "CHANGELOG.md"]
after = []
run = "sleep 1; sed -i 's/log::/tracing::/' crates/printer/src/*.rs; sed -i 's/Nothing yet/printer traces/' CHANGELOG.md"
[[packet]]
id = "06-docs"
objective = "Say in the documentation what is traced"
scope = ["docs/**"]
agent = "parent"
[[packet]]
id = "07-tests"
objective = "Test that nothing logs any more"
scope = ["tests/**"]
after = ["04-search", "06-docs"]
agent = "codex"
EOF
{
    "$dynwf" plan tracing --from "$scratch/plan.toml"
    "$dynwf" run tracing &
} >/dev/null 2>&1
for _ in $(seq 300); do
    words="$("$dynwf" status tracing 2>/dev/null || true)"
    case $words in
    *integrated*waiting*integrated*running*conflicted*ready*) break ;;
    esac
    sleep 0.1
done
sleep 7
"$dynwf" status tracing --color always >"$scratch/status"
touch "$scratch/shop/.git/go"
wait

awk -v lines="$(wc -l <"$scratch/status")" '
    function escaped(text) {
        gsub(/&/, "\\&amp;", text)
        gsub(/</, "\\&lt;", text)
        gsub(/>/, "\\&gt;", text)
        return text
    }
    # The SVG class of a terminal colour code.
    function class_of(code) {
        if (code ~ /31/) return "r"
        if (code ~ /32/) return "g"
        if (code ~ /33/) return "y"
        if (code ~ /36/) return "c"
        if (code ~ /^0?2$/) return "d"
        if (code ~ /1/) return "b"
        return ""
    }
    function piece(text, class) {
        if (text == "") return ""
        text = escaped(text)
        return class == "" ? text : "<tspan class=\"" class "\">" text "</tspan>"
    }
    BEGIN {
        height = (lines + 1) * 19 + 30
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1010\" height=\"%d\" viewBox=\"0 0 1010 %d\">\n", height, height
        print "<title>dynwf status tracing, in the middle of a run</title>"
        print "<style>text{font:14px ui-monospace,monospace;fill:#d8dee9;white-space:pre}.r{fill:#f28b82}.g{fill:#8fd18f}.y{fill:#f2d272}.c{fill:#7fc8e8}.d{fill:#8b949e}.b{font-weight:bold;fill:#fff}</style>"
        printf "<rect width=\"1010\" height=\"%d\" rx=\"8\" fill=\"#16191f\"/>\n", height
        printf "<text x=\"18\" y=\"30\" xml:space=\"preserve\"><tspan class=\"d\">$</tspan> dynwf status tracing</text>\n"
    }
    {
        line = $0
        out = ""
        class = ""
        while (match(line, /\033\[[0-9;]*m/)) {
            out = out piece(substr(line, 1, RSTART - 1), class)
            code = substr(line, RSTART + 2, RLENGTH - 3)
            class = (code == "" || code == "0") ? "" : class_of(code)
            line = substr(line, RSTART + RLENGTH)
        }
        out = out piece(line, class)
        printf "<text x=\"18\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", 30 + NR * 19, out
    }
    END { print "</svg>" }
' "$scratch/status"
sed 's/\x1b\[[0-9;]*m//g' "$scratch/status" >&2
