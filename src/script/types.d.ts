// What a dynwf workflow script can use. Written by `dynwf script types`; see docs/scripts.md.
//
// Put it beside your scripts and begin them with:  /// <reference path="./dynwf.d.ts" />

/** Anything that can be written as JSON. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON Schema; a `$ref` works within it alone. */
type JsonSchema = { [key: string]: unknown };

/** The header: the first statement of a script is `export const meta = { … }`, a literal. */
interface WorkflowMeta {
  name: string;
  description: string;
  whenToUse?: string;
  phases?: { title: string; detail?: string; model?: string }[];
  /** A JSON Schema with `properties`: arguments are checked, and get their defaults, before the script starts. */
  args?: JsonSchema;
  [key: string]: unknown;
}

interface CallOptions {
  /** How people are told about the call. */
  label?: string;
  /** The phase it belongs to; without one, the last `phase()`. */
  phase?: string;
}

interface AgentOptions extends CallOptions {
  /** The answer is JSON that follows this schema; without one it is the agent's text. */
  schema?: JsonSchema;
  /** As the agent's client calls it. */
  model?: string;
  effort?: "low" | "medium" | "high" | "xhigh" | "max" | (string & {});
  /** Work in a packet with a branch of its own. */
  isolation?: "worktree";
  /** A role: `[roles.NAME]` in dynwf.toml, or a definition in .claude/agents/ or .agents/agents/. */
  agentType?: string;
  /** The agent that does it, where it is not that of the run. */
  agent?: string;
  minutes?: number;
  /** Takes the place of the prompt where answers are reused after an edit. */
  key?: string;
  /** With `isolation`: the globs that may change. */
  scope?: string | string[];
  /** With `isolation`: commands that must exit with 0. */
  checks?: string | string[];
  /** With `isolation`: a revision, or a packet. */
  base?: string | Packet;
}

interface PacketOptions extends Omit<AgentOptions, "isolation"> {
  /** The id of the packet: a-z, 0-9 and -. */
  id?: string;
  /** How often the agent is asked again while a check fails. */
  turns?: number;
  /** A command that does the work in place of an agent. */
  run?: string;
}

/** What a packet came to. It is never null: a packet that failed says so in `status`. */
interface Packet {
  id: string;
  status: "collected" | "checked" | "waiting" | "accepted" | "integrated" | "no_change" | "done" | "failed" | "conflicted" | "rejected" | "cancelled" | (string & {});
  branch: string | null;
  commit: string | null;
  /** What the agent said last, or what it answered by the schema. */
  text: any;
  /** The paths that it changed. */
  files: string[];
  [key: string]: any;
}

/** A conversation with an agent. Null if it failed; why is in the census of the run. */
declare function agent<T = any>(prompt: string, options?: AgentOptions | null): Promise<T | null>;

/** Starts every function at once and waits for all. What throws is null in the result; the order is kept. */
declare function parallel<T>(thunks: (() => T | Promise<T>)[]): Promise<(T | null)[]>;

/** Sends each item through the stages on its own: none waits for the others. A stage that throws makes its item null. */
declare function pipeline<I = any>(
  items: readonly I[],
  ...stages: ((value: any, item: I, index: number) => any)[]
): Promise<any[]>;

/** Work with a branch of its own. */
declare function packet(prompt: string | null, options?: PacketOptions | null): Promise<Packet>;

/** Merges packets, in this order; without a list, all that are not merged yet. */
declare function integrate(
  packets?: (Packet | string | null)[] | Packet | string | null,
  options?: CallOptions,
): Promise<any>;

/** Runs a command in the workspace of the run. A code that is not 0 is a value, not an error; `timeout` in milliseconds. */
declare function sh(
  command: string,
  options?: CallOptions & { timeout?: number; key?: string },
): Promise<{ code: number; stdout: string; stderr: string }>;

/** Waits for a person, across restarts. */
declare function gate(question: string, options?: CallOptions & { name?: string }): Promise<any>;

/** Collects what the shared workspace holds as the packet `shared`, and keeps a value in the journal. */
declare function checkpoint(name: string, value?: Json, options?: CallOptions): Promise<any>;

/** Keeps a value of the run even if the rest of it fails. */
declare function report(value: Json): void;

/** Runs another script by name or file, one level deep. */
declare function workflow<T = any>(name: string | { scriptPath: string } | { name: string }, args?: Json): Promise<T>;

/** Begins a phase: what is called from now on belongs to it. */
declare function phase(title: string): void;

/** A line for people. */
declare function log(...values: unknown[]): void;

/** What the run was started with; frozen. `undefined` without arguments. */
declare var args: any;

/** Tokens of answers that the script has had so far. At the total, agent() and packet() throw. */
declare const budget: { readonly total: number | null; spent(): number; remaining(): number };

/** The workspace of the run. */
declare const cwd: string;
declare const process: { cwd(): string };
declare const console: {
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
  assert(holds: unknown, ...values: unknown[]): void;
  [name: string]: (...values: unknown[]) => void;
};
