// Takes away what differs from run to run: the clock, randomness, code made from text, the time zone of the machine.
// Runs before everything else, in the global scope; leaves nothing behind but the changed globals.
"use strict";
(() => {
  const RealDate = Date;
  const { apply, construct, defineProperty, getPrototypeOf } = Reflect;
  const { test } = RegExp.prototype;
  const StringOf = String;
  const { padStart, trim } = StringOf.prototype;
  const ErrorOf = Error;

  const refuse = (what, why, help) => {
    const error = new ErrorOf(`${what} ${why}: ${help}`);
    defineProperty(error, "name", { value: "DeterminismError", writable: true, configurable: true });
    throw error;
  };
  const clock = (what) => refuse(what, "differs on every run", "pass a time through args");
  const compile = (what) => refuse(what, "makes code from text", "write the code itself; a script is checked before it runs");
  const fixed = (target, name, value) =>
    defineProperty(target, name, { value, writable: false, enumerable: false, configurable: false });
  const hidden = (target, name, value) =>
    defineProperty(target, name, { value, writable: true, enumerable: false, configurable: true });

  // --- the clock and the time zone: local time is UTC everywhere.
  const real = RealDate.prototype;
  const { getTime } = real;
  const { parse: realParse, UTC: realUtc } = RealDate;
  const { toPrimitive } = Symbol;
  const zoned = /(?:Z|UTC|GMT|[+-]\d\d:?\d\d(?:\s*\([^)]*\))?|\b[ECMP][SD]T)\s*$/i;
  const dayOnly = /^\s*[+-]?\d{4,6}(?:-\d\d(?:-\d\d)?)?\s*$/;
  const isoTime = /^\s*[+-]?\d{4,6}-\d\d(?:-\d\d)?T[\d:.]+\s*$/;
  const inUtc = (text) => {
    if (apply(test, zoned, [text]) || apply(test, dayOnly, [text])) return text;
    return apply(test, isoTime, [text]) ? `${apply(trim, text, [])}Z` : `${text} GMT`;
  };
  const timeOf = (value) => {
    try {
      return apply(getTime, value, []);
    } catch {
      return undefined;
    }
  };
  const primitive = (value) => {
    if (typeof value !== "object" || value === null) return value;
    const time = timeOf(value);
    if (time !== undefined) return time;
    const method = value[toPrimitive];
    if (method !== undefined && method !== null) return apply(method, value, ["default"]);
    const plain = value.valueOf();
    return typeof plain === "object" && plain !== null ? StringOf(value) : plain;
  };
  function PoisonedDate(...given) {
    if (new.target === undefined) clock("Date()");
    if (given.length === 0) clock("new Date()");
    if (given.length > 1) return construct(RealDate, [apply(realUtc, RealDate, given)], new.target);
    const value = primitive(given[0]);
    return construct(
      RealDate,
      [typeof value === "string" ? apply(realParse, RealDate, [inUtc(value)]) : value],
      new.target,
    );
  }
  hidden(PoisonedDate, "name", "Date");
  hidden(PoisonedDate, "length", 7);
  defineProperty(PoisonedDate, "prototype", { value: real, writable: false });
  hidden(PoisonedDate, "UTC", realUtc);
  hidden(PoisonedDate, "parse", function parse(text) {
    return apply(realParse, RealDate, [inUtc(StringOf(text))]);
  });
  fixed(PoisonedDate, "now", function now() {
    clock("Date.now()");
  });
  fixed(real, "constructor", PoisonedDate);
  hidden(globalThis, "Date", PoisonedDate);

  const parts = ["Date", "Day", "FullYear", "Hours", "Milliseconds", "Minutes", "Month", "Seconds"];
  for (let i = 0; i < parts.length; i++) {
    hidden(real, `get${parts[i]}`, real[`getUTC${parts[i]}`]);
    if (parts[i] !== "Day") hidden(real, `set${parts[i]}`, real[`setUTC${parts[i]}`]);
  }
  const { getUTCDate, getUTCDay, getUTCFullYear, getUTCHours, getUTCMinutes, getUTCMonth, getUTCSeconds } = real;
  const { setUTCFullYear } = real;
  const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const pad = (number, width) => apply(padStart, StringOf(number), [width, "0"]);
  const get = (method, date) => apply(method, date, []);
  const year = (date) => {
    const number = get(getUTCFullYear, date);
    return number < 0 ? `-${pad(-number, 6)}` : pad(number, 4);
  };
  const dayText = (d) =>
    `${days[get(getUTCDay, d)]} ${months[get(getUTCMonth, d)]} ${pad(get(getUTCDate, d), 2)} ${year(d)}`;
  const minutes = (d) => `${pad(get(getUTCMinutes, d), 2)}:${pad(get(getUTCSeconds, d), 2)}`;
  const clockText = (d) => `${pad(get(getUTCHours, d), 2)}:${minutes(d)} GMT+0000 (Coordinated Universal Time)`;
  const localDay = (d) => `${pad(get(getUTCMonth, d) + 1, 2)}/${pad(get(getUTCDate, d), 2)}/${year(d)}`;
  const localTime = (d) => {
    const hour = get(getUTCHours, d);
    return `${pad(hour % 12 || 12, 2)}:${minutes(d)} ${hour < 12 ? "AM" : "PM"}`;
  };
  const texts = {
    __proto__: null,
    toString: (d) => `${dayText(d)} ${clockText(d)}`,
    toDateString: dayText,
    toTimeString: clockText,
    toLocaleString: (d) => `${localDay(d)}, ${localTime(d)}`,
    toLocaleDateString: localDay,
    toLocaleTimeString: localTime,
  };
  for (const name in texts) {
    const text = texts[name];
    const method = {
      [name]() {
        const time = get(getTime, this);
        return time === time ? text(this) : "Invalid Date";
      },
    };
    hidden(real, name, method[name]);
  }
  hidden(real, "getTimezoneOffset", function getTimezoneOffset() {
    const time = get(getTime, this);
    return time === time ? 0 : time;
  });
  hidden(real, "getYear", function getYear() {
    return get(getUTCFullYear, this) - 1900;
  });
  hidden(real, "setYear", function setYear(given) {
    const number = +given;
    return apply(setUTCFullYear, this, [number >= 0 && number <= 99 ? 1900 + (number | 0) : number]);
  });

  // --- randomness
  fixed(Math, "random", function random() {
    refuse("Math.random()", "differs on every run", "use the index of the item, or pass a seed through args");
  });

  // --- code made from text
  function PoisonedFunction() {
    compile("Function()");
  }
  const functions = [function () {}, async function () {}, function* () {}, async function* () {}];
  defineProperty(PoisonedFunction, "prototype", { value: getPrototypeOf(functions[0]), writable: false });
  hidden(PoisonedFunction, "name", "Function");
  for (let i = 0; i < functions.length; i++) fixed(getPrototypeOf(functions[i]), "constructor", PoisonedFunction);
  fixed(globalThis, "Function", PoisonedFunction);
  const { eval: poisonedEval } = {
    eval() {
      compile("eval()");
    },
  };
  fixed(globalThis, "eval", poisonedEval);

  // --- what tells of the engine, of other threads or of garbage collection
  const gone = ["WeakRef", "FinalizationRegistry", "Atomics", "SharedArrayBuffer", "performance", "navigator", "gc"];
  for (let i = 0; i < gone.length; i++) delete globalThis[gone[i]];
})();
