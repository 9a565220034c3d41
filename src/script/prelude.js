// The functions that a script sees. An expression: a function from what the host gives to what the host needs back.
//
// Everything that a script could replace is captured first, so that nothing it does to globals or prototypes reaches
// these functions: no method is called on a value but through `apply`, nothing is iterated, and objects that are
// looked into have no prototype.
(host) => {
  "use strict";
  const { begin, say, nulls, isPromise, isError, resolveWorkflow } = host;
  const { apply, defineProperty, getPrototypeOf } = Reflect;
  const objects = Object.prototype;
  const { isArray } = Array;
  const { freeze, keys } = Object;
  const { stringify, parse } = JSON;
  const { trim, slice, toWellFormed } = String.prototype;
  const { join } = Array.prototype;
  const { isFinite: isFiniteNumber, isInteger } = Number;
  const PromiseOf = Promise;
  const { reject } = Promise;
  const ErrorOf = Error;
  const TypeErrorOf = TypeError;
  const RangeErrorOf = RangeError;
  const StringOf = String;

  const { mostItems, budget: total, cwd } = host;
  const run = { __proto__: null, spent: 0, aborted: false, place: "", lists: 0, phaseInside: false };

  // --- reading what the script gives

  const nothingElse = freeze([]);
  const clean = (text) => apply(toWellFormed, text, nothingElse);
  const show = (value) => {
    try {
      if (typeof value === "string") return clean(value);
      if (typeof value === "object" && value !== null) {
        if (isError(value)) return `${clean(StringOf(value.name))}: ${clean(StringOf(value.message))}`;
        const text = stringify(value);
        if (text !== undefined) return text;
      }
      return clean(StringOf(value));
    } catch {
      return `[${typeof value}]`;
    }
  };
  const messageOf = (error) => {
    let text;
    try {
      if (isError(error) && typeof error.message === "string") text = clean(error.message);
    } catch {}
    text ??= show(error);
    return text.length > 2000 ? `${apply(slice, text, [0, 2000])}… (${text.length} characters in all)` : text;
  };
  /** Tells that something threw; what it cannot tell ends the list, so that nothing is lost in silence. */
  const nulled = (place, error, fail) => {
    try {
      say("nulled", place, messageOf(error));
      return true;
    } catch (full) {
      fail(full);
      return false;
    }
  };
  const must = (value, what) => {
    if (typeof value === "string") return clean(value);
    const hint = isPromise(value) ? "; it is a Promise: did you forget to await it?" : "";
    throw new TypeErrorOf(`${what} must be a string${hint}`);
  };
  const mayString = (value, what) => (value === undefined || value === null ? undefined : must(value, what));
  const strings = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value === "string") return [clean(value)];
    if (!isArray(value)) throw new TypeErrorOf(`${what} must be a string or an array of strings`);
    const out = nulls(value.length);
    for (let i = 0; i < out.length; i++) out[i] = must(value[i], `${what}[${i}]`);
    return out;
  };
  const positive = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !isFiniteNumber(value) || value <= 0)
      throw new TypeErrorOf(`${what} must be a number above 0`);
    return value;
  };
  const whole = (value, what) => {
    const number = positive(value, what);
    if (number !== undefined && (!isInteger(number) || number > 4294967295))
      throw new TypeErrorOf(`${what} must be a whole number`);
    return number;
  };
  const none = { __proto__: null };
  /** Whether the options that were read last are but a label and a phase, as most are. */
  let plain = true;
  const options = (value, what, known) => {
    plain = true;
    if (value === undefined || value === null) return none;
    if (typeof value !== "object" || isArray(value) || isPromise(value))
      throw new TypeErrorOf(`${what} options must be an object`);
    const names = keys(value);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (known[name] !== true) say("once", `${what}() knows no option \`${clean(name)}\`: it is ignored`);
      else if (name !== "label" && name !== "phase") plain = false;
    }
    const from = getPrototypeOf(value);
    if (from !== objects && from !== null) plain = false;
    return value;
  };
  const know = (names) => {
    const known = { __proto__: null };
    for (let i = 0; i < names.length; i++) known[names[i]] = true;
    return known;
  };
  const json = (value, what) => {
    let text;
    try {
      text = stringify(value);
    } catch (error) {
      throw new TypeErrorOf(`${what} must be plain data (JSON): ${messageOf(error)}`);
    }
    return text === undefined ? "null" : text;
  };
  const schemaOf = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "object" || isArray(value)) throw new TypeErrorOf(`${what} schema must be a JSON Schema object`);
    return value;
  };
  const baseOf = (value, what) => {
    if (typeof value !== "object" || value === null || isPromise(value)) return mayString(value, `${what} base`);
    const commit = value.commit ?? value.branch;
    if (typeof commit !== "string") throw new TypeErrorOf(`${what} base must be a revision, or a packet that has a commit`);
    return clean(commit);
  };

  const PLAIN = know(["label", "phase"]);
  const SHELL = know(["label", "phase", "timeout", "key"]);
  const GATE = know(["label", "phase", "name"]);
  const AGENT = know(["label", "phase", "schema", "model", "effort", "isolation", "agentType", "agent", "minutes",
    "scope", "checks", "base", "key"]);
  const PACKET = know(["label", "phase", "schema", "model", "effort", "isolation", "agentType", "agent", "minutes",
    "scope", "checks", "base", "key", "id", "turns", "run"]);

  // --- calls

  const abortError = () => {
    const error = new ErrorOf("the workflow was aborted");
    defineProperty(error, "name", { value: "AbortError", writable: true, configurable: true });
    return error;
  };
  const live = () => {
    if (run.aborted) throw abortError();
  };
  const affordable = () => {
    if (total !== undefined && run.spent >= total)
      throw new ErrorOf(`workflow token budget exhausted: ${run.spent} of ${total} tokens are spent`);
  };
  const tooMany = (what, count) => {
    throw new RangeErrorOf(`${what}() was given ${count} items and takes at most ${mostItems}: work in batches`);
  };

  /** What throws becomes a rejected promise, as in an async function, without the turns that one takes. */
  const calling = (work) => (first, second, third) => {
    try {
      live();
      return work(first, second, third);
    } catch (error) {
      return apply(reject, PromiseOf, [error]);
    }
  };

  /** The functions that make calls, for one place: the script itself, or a workflow within it. */
  const functions = (place) => {
    let current;
    const call = (kind, body, given, what) => {
      const label = mayString(given.label, `${what} label`);
      const phase = mayString(given.phase, `${what} phase`) ?? current;
      const inner = run.place;
      const where = inner === "" ? place : place === "" ? inner : `${place} ${inner}`;
      return begin(kind, typeof body === "string" ? body : stringify(body), label === undefined ? "" : apply(trim, label, nothingElse), phase, where);
    };
    return {
      __proto__: null,
      agent: calling((prompt, given) => {
        affordable();
        const text = must(prompt, "agent prompt");
        const o = options(given, "agent", AGENT);
        if (plain) return call("agent", `{"prompt":${stringify(text)}}`, o, "agent");
        const { isolation } = o;
        const isolated = isolation === "worktree";
        if (!isolated && isolation !== undefined && isolation !== null && isolation !== false && isolation !== "none")
          throw new TypeErrorOf(`agent isolation must be "worktree"; ${show(isolation)} is not known`);
        return call("agent", {
          __proto__: null,
          prompt: text,
          schema: schemaOf(o.schema, "agent"),
          model: mayString(o.model, "agent model"),
          effort: mayString(o.effort, "agent effort"),
          isolation: isolated ? "worktree" : undefined,
          agentType: mayString(o.agentType, "agent type"),
          agent: mayString(o.agent, "agent agent"),
          minutes: positive(o.minutes, "agent minutes"),
          scope: strings(o.scope, "agent scope"),
          checks: strings(o.checks, "agent checks"),
          base: baseOf(o.base, "agent"),
          key: mayString(o.key, "agent key"),
        }, o, "agent");
      }),
      packet: calling((prompt, given) => {
        affordable();
        const o = options(given, "packet", PACKET);
        const command = mayString(o.run, "packet run");
        const silent = command !== undefined && (prompt === undefined || prompt === null);
        return call("packet", {
          __proto__: null,
          prompt: silent ? "" : must(prompt, "packet prompt"),
          id: mayString(o.id, "packet id"),
          scope: strings(o.scope, "packet scope"),
          checks: strings(o.checks, "packet checks"),
          base: baseOf(o.base, "packet"),
          turns: whole(o.turns, "packet turns"),
          run: command,
          schema: schemaOf(o.schema, "packet"),
          model: mayString(o.model, "packet model"),
          effort: mayString(o.effort, "packet effort"),
          agentType: mayString(o.agentType, "packet type"),
          agent: mayString(o.agent, "packet agent"),
          minutes: positive(o.minutes, "packet minutes"),
          key: mayString(o.key, "packet key"),
        }, o, "packet");
      }),
      integrate: calling((packets, given) => {
        const o = options(given, "integrate", PLAIN);
        return call("integrate", { __proto__: null, packets: packetList(packets) }, o, "integrate");
      }),
      sh: calling((command, given) => {
        const o = options(given, "sh", SHELL);
        return call("shell", {
          __proto__: null,
          command: must(command, "sh command"),
          timeout: whole(o.timeout, "sh timeout"),
          key: mayString(o.key, "sh key"),
        }, o, "sh");
      }),
      gate: calling((question, given) => {
        const o = options(given, "gate", GATE);
        return call("gate", {
          __proto__: null,
          question: must(question, "gate question"),
          name: mayString(o.name, "gate name"),
        }, o, "gate");
      }),
      checkpoint: calling((name, value, given) => {
        const o = options(given, "checkpoint", PLAIN);
        const text = must(name, "checkpoint name");
        return call("checkpoint", { __proto__: null, name: text, value: parse(json(value, "a checkpoint")) }, o, "checkpoint");
      }),
      phase: (title) => {
        const text = must(title, "phase title");
        if (run.place !== "" && !run.phaseInside) {
          run.phaseInside = true;
          say("once", `phase(${stringify(text)}) is called inside ${run.place} and holds for everything that runs: give { phase } to the call instead`);
        }
        current = text;
        say("phase", text);
      },
    };
  };

  const packetList = (packets) => {
    if (packets === undefined || packets === null) return undefined;
    const all = isArray(packets) ? packets : [packets];
    const count = all.length;
    if (count > mostItems) tooMany("integrate", count);
    let some = 0;
    for (let i = 0; i < count; i++) if (all[i] !== null && all[i] !== undefined) some++;
    if (some < count) say("warn", `integrate() was given ${count - some} packets that are null: they are left out`);
    const list = nulls(some);
    for (let i = 0, at = 0; i < count; i++) {
      const one = all[i];
      if (one === null || one === undefined) continue;
      if (typeof one === "string") {
        list[at++] = { __proto__: null, id: clean(one) };
        continue;
      }
      const { id, branch, commit } = typeof one === "object" && !isPromise(one) ? one : none;
      if (typeof id !== "string" && typeof branch !== "string" && typeof commit !== "string") {
        const shown = isPromise(one) ? "a Promise: did you forget to await it?" : show(one);
        throw new TypeErrorOf(`integrate() wants what packet() gave, or the id, label or branch of a packet; [${i}] is ${shown}`);
      }
      list[at++] = {
        __proto__: null,
        id: mayString(id, `packets[${i}].id`),
        branch: mayString(branch, `packets[${i}].branch`),
        commit: mayString(commit, `packets[${i}].commit`),
      };
    }
    return list;
  };

  // --- lists of work

  const enter = (place) => {
    const before = run.place;
    run.place = before === "" ? place : `${before} ${place}`;
    return before;
  };
  const startThunk = (place, thunk) => {
    const before = enter(place);
    try {
      return thunk();
    } finally {
      run.place = before;
    }
  };
  const startStage = (place, stage, value, item, index) => {
    const before = enter(place);
    try {
      return stage(value, item, index);
    } finally {
      run.place = before;
    }
  };

  const parallel = async (thunks) => {
    live();
    if (!isArray(thunks)) throw new TypeErrorOf("parallel() expects an array of functions");
    const count = thunks.length;
    if (count > mostItems) tooMany("parallel", count);
    for (let i = 0; i < count; i++) {
      if (typeof thunks[i] !== "function")
        throw new TypeErrorOf("parallel() expects an array of functions, not promises. Wrap each call: () => agent(...)");
    }
    const list = `parallel#${++run.lists}`;
    const out = nulls(count);
    if (count === 0) return out;
    await new PromiseOf((done, fail) => {
      let left = count;
      const slot = async (index) => {
        try {
          out[index] = await startThunk(`${list}[${index}]`, thunks[index]);
        } catch (error) {
          if (run.aborted) return fail(error);
          out[index] = null;
          if (!nulled(`parallel[${index}]`, error, fail)) return;
        }
        if (--left === 0) done();
      };
      for (let i = 0; i < count; i++) slot(i);
    });
    return out;
  };

  const pipeline = async (items, ...stages) => {
    live();
    if (!isArray(items)) throw new TypeErrorOf("pipeline() expects an array as the first argument");
    const count = items.length;
    const depth = stages.length;
    if (count > mostItems) tooMany("pipeline", count);
    for (let i = 0; i < depth; i++) {
      if (typeof stages[i] !== "function")
        throw new TypeErrorOf("pipeline() stages must be functions: pipeline(items, item => ..., result => ...)");
    }
    const list = `pipeline#${++run.lists}`;
    const out = nulls(count);
    if (count === 0) return out;
    await new PromiseOf((done, fail) => {
      let left = count;
      const slot = async (index) => {
        const item = items[index];
        let value = item;
        let at = 0;
        try {
          for (; at < depth; at++) {
            live();
            value = await startStage(`${list}[${index}].stage[${at}]`, stages[at], value, item, index);
          }
          out[index] = value;
        } catch (error) {
          if (run.aborted) return fail(error);
          out[index] = null;
          if (!nulled(`pipeline[${index}].stage[${at}]`, error, fail)) return;
        }
        if (--left === 0) done();
      };
      for (let i = 0; i < count; i++) slot(i);
    });
    return out;
  };

  // --- words to the outside

  const line = (values, from) => {
    const shown = nulls(values.length - from);
    for (let i = 0; i < shown.length; i++) shown[i] = show(values[i + from]);
    return apply(join, shown, [" "]);
  };
  const log = (...values) => say("log", line(values, 0));
  const warn = (...values) => say("log", `[warn] ${line(values, 0)}`);
  const error = (...values) => say("log", `[error] ${line(values, 0)}`);
  const nothing = () => {};
  const console = freeze({
    log,
    info: log,
    debug: log,
    trace: log,
    dir: log,
    table: log,
    group: log,
    groupEnd: nothing,
    time: nothing,
    timeEnd: nothing,
    warn,
    error,
    assert: (...values) => {
      if (!values[0]) say("log", `[error] assertion failed ${line(values, 1)}`);
    },
  });
  const report = (value) => say("report", json(value, "the value of report()"));

  const budget = freeze({
    total: total ?? null,
    spent: () => run.spent,
    remaining: () => (total === undefined ? Infinity : run.spent >= total ? 0 : total - run.spent),
  });

  const deepFreeze = (value) => {
    if (typeof value === "object" && value !== null) {
      const names = keys(value);
      for (let i = 0; i < names.length; i++) deepFreeze(value[names[i]]);
      freeze(value);
    }
    return value;
  };
  const readArgs = (text) => (text === undefined ? undefined : deepFreeze(parse(text)));

  // --- a workflow within the workflow: one level

  const workflow = async (reference, given) => {
    live();
    const named = typeof reference === "object" && reference !== null && !isPromise(reference);
    const name = must(named ? reference.scriptPath ?? reference.name : reference, "workflow name");
    const text = given === undefined ? undefined : json(given, "the args of workflow()");
    const found = resolveWorkflow(name);
    const own = functions(`workflow[${found.title}]`);
    const body = found.enter(readArgs(text), tooDeep, own.agent, own.packet, own.integrate, own.sh, own.gate,
      own.checkpoint, own.phase);
    return body();
  };
  const tooDeep = async () => {
    throw new ErrorOf("workflow() works one level deep: a workflow that was started by another cannot start a third");
  };

  // --- what becomes of the value

  const walk = (value, path, depth) => {
    const where = path === "" ? "it" : path;
    if (isPromise(value)) throw new TypeErrorOf(`${where} is a Promise, and a Promise could not be cloned`);
    if (typeof value === "function" || typeof value === "symbol")
      throw new TypeErrorOf(`${where} is a ${typeof value}, and a ${typeof value} could not be cloned`);
    if (typeof value !== "object" || value === null || depth === 100) return;
    const names = keys(value);
    const array = isArray(value);
    const base = path === "" ? "result" : path;
    for (let i = 0; i < names.length; i++)
      walk(value[names[i]], array ? `${base}[${i}]` : `${base}.${names[i]}`, depth + 1);
  };
  const finish = (value) => {
    let text;
    try {
      walk(value, "", 0);
      text = stringify(value);
    } catch (error) {
      throw new TypeErrorOf(`workflow result must be structured-cloneable; did you forget to await agent(), parallel(), or pipeline()? ${messageOf(error)}`);
    }
    return text === undefined ? "null" : text;
  };

  // --- the globals

  const top = functions("");
  const all = {
    __proto__: null,
    ...top,
    parallel,
    pipeline,
    workflow,
    log,
    report,
    console,
    budget,
    cwd,
    process: freeze({ cwd: () => cwd }),
  };
  for (const name in all)
    defineProperty(globalThis, name, { value: all[name], writable: false, enumerable: true, configurable: false });
  defineProperty(globalThis, "args", { value: readArgs(host.args), writable: true, enumerable: true, configurable: false });

  return {
    __proto__: null,
    start: async (body, succeeded, failed) => {
      let value;
      try {
        value = await body();
      } catch (error) {
        failed(error);
        return;
      }
      succeeded(value);
    },
    finish,
    spend: (tokens) => {
      run.spent += tokens;
    },
    abort: () => {
      run.aborted = true;
    },
    abortError,
    failure: (message) => new ErrorOf(message),
  };
};
