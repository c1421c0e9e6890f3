// What churn.py does, with Node's `ws`: node churn.js URL CLIENTS SEED TOTAL
const assert = require("assert");
const WebSocket = require("ws");

const [url, count, seed, total] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const TOPICS = 40, SYMBOLS = ["APUS", "SWFT", "LARK"];
const seen = { joins: 0, deliveries: 0, privates: 0 };
let busy = count, left = count, settles = false, whenIdle = null;

process.on("unhandledRejection", (error) => { console.error(error); process.exit(1); });

function content(topic, number) {
  let x = (Math.imul(number, 2654435761) + topic * 40503) >>> 0;
  const bid = x % 90000;
  let event = `{"type":"quote","symbol":"${SYMBOLS[x % 3]}","bid":${bid},"ask":${bid + 7},` +
    `"venue":"XAMS","note":"${"steady ".repeat(number % 9)}"}`;
  if (number % 32 === 7) event = event.repeat(20);
  if (number % 32 === 15) {
    event = "";
    for (let index = 0; index < 40; index++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      event += x;
    }
  }
  return `t${topic} ${number} ${event}`;
}

// A generator with a seed, so that a failure repeats.
function random(state) {
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

function end() {
  if (--busy === 0 && whenIdle) { whenIdle(); whenIdle = null; }
}

function idle() {
  return busy === 0 ? Promise.resolve() : new Promise((resolve) => { whenIdle = resolve; });
}

function begin() {
  if (!settles) busy++;
  return !settles;
}

class Client {
  constructor(index) {
    this.chosen = random((seed * 1000 + index) * 7919);
    this.floor = new Map();
  }

  join() {
    this.next = new Map();
    this.private = [];
    this.wanted = 1 + this.chosen(3);
    this.isJoining = true;
    this.isLeaving = false;
    this.countdown = 5 + this.chosen(55);
    this.socket = new WebSocket(url);
    this.socket.on("open", () => {
      assert(this.socket.extensions.startsWith("permessage-deflate"), this.socket.extensions);
      this.subscribeToAny();
    });
    this.socket.on("error", (error) => { if (!this.isLeaving) throw error; });
    this.socket.on("close", (code) => this.closed(code));
    this.socket.on("message", (data, isBinary) => {
      if (!this.isLeaving) this.received(data.toString(), isBinary);
    });
  }

  closed(code) {
    assert(this.isLeaving, `closed with ${code}`);
    for (const [topic, number] of this.next) if (number !== null) this.floor.set(topic, number);
    if (this.isAtTheEnd) {
      if (--left === 0) console.log(JSON.stringify(seen));
    } else {
      this.join();
    }
  }

  subscribeToAny() {
    let topic;
    do topic = this.chosen(TOPICS); while (this.next.has(topic));
    this.socket.send(`subscribe t${topic}`);
  }

  say(length) {
    this.private.push(`private ${seen.privates++} ` + "between us, ".repeat(length));
    this.socket.send("echo\n" + this.private[this.private.length - 1]);
  }

  received(text, isBinary) {
    const [word, rest] = text.split(" ", 2);
    if (word === "private") {
      assert.strictEqual(text, this.private.shift());
      if (this.isAtTheEnd) {
        this.isLeaving = true;
        this.socket.close(1000);
      }
    } else if (word === "subscribed") {
      const topic = Number(rest.slice(1));
      assert(!this.next.has(topic));
      this.next.set(topic, null);
      if (this.next.size < this.wanted) this.subscribeToAny();
      else this.arrived();
    } else if (word === "unsubscribed") {
      const topic = Number(rest.slice(1)), number = this.next.get(topic);
      assert(this.next.delete(topic));
      if (number !== null) this.floor.set(topic, number);
      this.subscribeToAny();
    } else {
      this.published(Number(word.slice(1)), Number(rest), text, isBinary);
    }
  }

  arrived() {
    if (this.isJoining) seen.joins++;
    this.isJoining = this.isChanging = false;
    end();
  }

  published(topic, number, text, isBinary) {
    const expected = this.next.get(topic);
    assert(expected !== undefined, `not subscribed to ${topic}`);
    if (expected === null) assert(number >= (this.floor.get(topic) || 0), `${topic} ${number}`);
    else assert.strictEqual(number, expected, `topic ${topic}`);
    assert.strictEqual(text, content(topic, number));
    assert.strictEqual(isBinary, number % 32 === 11);
    this.next.set(topic, number + 1);
    seen.deliveries++;
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
    } else if (begin()) {
      if (action < 6) {
        this.isChanging = true;
        const topics = [...this.next.keys()];
        this.socket.send(`unsubscribe t${topics[this.chosen(topics.length)]}`);
      } else {
        this.isLeaving = true;
        if (action === 6) this.socket.close(1000);
        else this.socket.terminate();
      }
    }
  }
}

async function keepPace() {
  const pacer = new WebSocket(url);
  pacer.on("open", () => pacer.send("subscribe pace"));
  pacer.on("message", async (data) => {
    const word = data.toString();
    if (word === "subscribed pace") {
      await idle();
      console.log("ready");
    } else if (word === "end") {
      pacer.close(1000);
    } else {
      if (word === "settle") {
        settles = true;
        await idle();
      }
      pacer.send(`publish paced\n${word}`);
    }
  });
}

keepPace();
for (let index = 0; index < count; index++) new Client(index).join();
