// What churn.py does, over any WebSocket with the browsers' interface; in Node and in browsers:
//   node churn.js ws|undici URL TAPPED CLIENTS SEED TOTAL
"use strict";

const TOPICS = 50, SYMBOLS = ["APUS", "SWFT", "LARK"];

function check(holds, ...what) {
  if (!holds) throw new Error(what.join(" "));
}

const step = (x) => (Math.imul(x, 1664525) + 1013904223) >>> 0;
const isBinary = (number) => number % 32 === 11 || number % 32 === 19;

// A character for each byte.
function content(topic, number) {
  let x = (Math.imul(number, 2654435761) + topic * 40503) >>> 0;
  const bid = x % 90000;
  let event = `{"type":"quote","symbol":"${SYMBOLS[x % 3]}","bid":${bid},"ask":${bid + 7},` +
    `"venue":"XAMS","note":"${"steady ".repeat(number % 9)}"}`;
  if (number % 32 === 3) event = `up ${x % 10}`;
  if (number % 32 === 7) event = event.repeat(20);
  if (number % 32 === 15) {
    event = "";
    for (let index = 0; index < 40; index++) event += x = step(x);
  }
  if (number % 32 === 19) {
    event = "";
    for (let index = 0; index < 300; index++) event += String.fromCharCode((x = step(x)) >>> 24);
  }
  return `t${topic} ${number} ${event}`;
}

// A generator with a seed, so that a failure repeats.
function random(state) {
  return (bound) => {
    state = step(state);
    return Math.floor((state / 2 ** 32) * bound);
  };
}

class Client {
  constructor(crowd, index) {
    this.crowd = crowd;
    this.url = index === 0 ? crowd.tapped : crowd.url;
    this.chosen = random((crowd.seed * 1000 + index) * 7919);
    this.floor = new Map();
  }

  join() {
    this.next = new Map();
    this.private = [];
    this.wanted = 1 + this.chosen(3);
    this.isJoining = true;
    this.isLeaving = false;
    this.countdown = 5 + this.chosen(55);
    this.socket = this.crowd.open(this.url, {
      open: () => this.subscribeToAny(),
      error: (event) => check(this.isLeaving, "error", event.message),
      close: (event) => this.closed(event.code),
      message: (event) => { if (!this.isLeaving) this.received(event.data); },
    });
  }

  closed(code) {
    check(this.isLeaving, "closed with", code);
    for (const [topic, number] of this.next) if (number !== null) this.floor.set(topic, number);
    if (this.isAtTheEnd) this.crowd.left();
    else this.join();
  }

  subscribeToAny() {
    let topic;
    do topic = this.chosen(TOPICS); while (this.next.has(topic));
    this.socket.send(`subscribe t${topic}`);
  }

  say(length) {
    this.private.push(`private ${this.crowd.seen.privates++} ` + "between us, ".repeat(length));
    this.socket.send("echo\n" + this.private[this.private.length - 1]);
  }

  received(data) {
    const ofText = typeof data === "string";
    const text = ofText ? data : String.fromCharCode(...new Uint8Array(data));
    const [word, rest] = text.split(" ", 2);
    if (word === "private") {
      check(ofText && text === this.private.shift(), text);
      if (this.isAtTheEnd) this.leave(false);
    } else if (word === "subscribed") {
      const topic = Number(rest.slice(1));
      check(!this.next.has(topic), text);
      this.next.set(topic, null);
      if (this.next.size < this.wanted) this.subscribeToAny();
      else this.arrived();
    } else if (word === "unsubscribed") {
      const topic = Number(rest.slice(1)), number = this.next.get(topic);
      check(this.next.delete(topic), text);
      if (number !== null) this.floor.set(topic, number);
      this.subscribeToAny();
    } else {
      this.published(Number(word.slice(1)), Number(rest), text, ofText);
    }
  }

  arrived() {
    if (this.isJoining) this.crowd.seen.joins++;
    this.isJoining = this.isChanging = false;
    this.crowd.end();
  }

  published(topic, number, text, ofText) {
    const expected = this.next.get(topic);
    check(expected !== undefined, "not subscribed to", topic);
    if (expected === null) check(number >= (this.floor.get(topic) || 0), topic, number);
    else check(number === expected, "topic", topic, number, "instead of", expected);
    check(text === content(topic, number), topic, number, text);
    check(ofText !== isBinary(number), topic, number);
    this.next.set(topic, number + 1);
    this.crowd.seen.deliveries++;
    const { total } = this.crowd;
    if (number === total - 1 && [...this.next.values()].every((each) => each === total)) {
      this.isAtTheEnd = true;
      this.say(60);
    } else if (!this.isJoining && !this.isChanging && --this.countdown === 0) {
      this.countdown = 5 + this.chosen(55);
      this.act();
    }
  }

  act() {
    const action = this.chosen(8);
    if (action < 4) {
      this.say(action < 2 ? 2 : 60);
    } else if (this.crowd.begin()) {
      if (action < 6) {
        this.isChanging = true;
        const topics = [...this.next.keys()];
        this.socket.send(`unsubscribe t${topics[this.chosen(topics.length)]}`);
      } else {
        this.leave(action === 7);
      }
    }
  }

  leave(abruptly) {
    this.isLeaving = true;
    if (abruptly && this.socket.terminate) this.socket.terminate();  // only ws can
    else this.socket.close(1000);
  }
}

class Crowd {
  constructor(Socket, url, tapped, count, seed, total) {
    Object.assign(this, { Socket, url, tapped, count, seed, total });
    this.seen = { joins: 0, deliveries: 0, privates: 0 };
    this.busy = this.here = count;
    this.settles = false;
    this.whenIdle = null;
  }

  // Resolves at the end with what was seen.
  run(onReady) {
    return new Promise((resolve, reject) => {
      Object.assign(this, { resolve, reject });
      this.keepPace(onReady);
      for (let index = 0; index < this.count; index++) new Client(this, index).join();
    });
  }

  open(url, handlers) {
    const socket = new this.Socket(url);
    socket.binaryType = "arraybuffer";
    for (const name in handlers)
      socket["on" + name] = async (event) => {
        try {
          if (name === "open")
            check(socket.extensions.startsWith("permessage-deflate"), socket.extensions);
          await handlers[name](event);
        } catch (error) {
          this.reject(error);
        }
      };
    return socket;
  }

  begin() {
    if (!this.settles) this.busy++;
    return !this.settles;
  }

  end() {
    if (--this.busy === 0 && this.whenIdle) { this.whenIdle(); this.whenIdle = null; }
  }

  idle() {
    return this.busy === 0
      ? Promise.resolve() : new Promise((resolve) => { this.whenIdle = resolve; });
  }

  left() {
    if (--this.here === 0) this.resolve(this.seen);
  }

  keepPace(onReady) {
    const pacer = this.open(this.url, {
      open: () => pacer.send("subscribe pace"),
      error: (event) => check(false, "error", event.message),
      message: async ({ data: word }) => {
        if (word === "subscribed pace") {
          await this.idle();
          onReady();
        } else if (word === "end") {
          pacer.close(1000);
        } else {
          if (word === "settle") {
            this.settles = true;
            await this.idle();
          }
          pacer.send(`publish paced\n${word}`);
        }
      },
    });
  }
}

if (typeof window === "undefined") {
  const [kind, url, tapped, ...numbers] = process.argv.slice(2);
  const Socket = kind === "ws" ? require("ws") : WebSocket;
  new Crowd(Socket, url, tapped, ...numbers.map(Number)).run(() => console.log("ready"))
    .then((seen) => console.log(JSON.stringify(seen)))
    .catch((error) => { console.error(error); process.exit(1); });
}
