// Talks to the server at argv[2] with Node's `ws`; prints what it saw as one line of JSON.
"use strict";
const WebSocket = require("ws");
const base = process.argv[2];

const open = (path, options) => new Promise((resolve, reject) => {
  const socket = new WebSocket(base + path, { handshakeTimeout: 5000, ...options });
  const received = [], waiting = [];
  socket.on("message", (data, binary) => {
    const message = binary ? { binary: data.toString("hex") } : { text: data.toString() };
    if (waiting.length) waiting.shift()(message); else received.push(message);
  });
  socket.next = () => received.length
    ? Promise.resolve(received.shift()) : new Promise((resolve) => waiting.push(resolve));
  socket.once("open", () => resolve(socket));
  socket.once("unexpected-response", (_, response) => reject({ status: response.statusCode }));
  socket.once("error", reject);
});
const event = (socket, name) => new Promise((resolve) =>
  socket.once(name, (...values) => resolve(values.map((v) => Buffer.isBuffer(v) ? v.toString() : v))));

async function main() {
  const seen = {};
  const echo = await open("/ws");
  echo.send("grüße");
  seen.text = await echo.next();
  echo.send(Buffer.from([0, 255]));
  seen.binary = await echo.next();
  echo.send("one ", { fin: false });
  echo.ping();
  echo.send("two", { fin: true });
  const pong = event(echo, "pong");
  seen.fragments = await echo.next();
  echo.ping("payload");
  const [first] = await pong;
  seen.pongs = [first, ...(await event(echo, "pong"))];
  const big = "x".repeat(1 << 20);
  echo.send(big);
  seen.big = (await echo.next()).text === "Message received: " + big;
  echo.send(big + "x");
  [seen.tooBig] = await event(echo, "close");

  const [seven, eight] = await Promise.all([open("/ws/7"), open("/ws/8")]);
  seven.send("hello");
  seen.chat = [await seven.next(), await eight.next()];
  seven.close(1000, "bye");
  [seen.closed] = await event(seven, "close");
  seen.left = await eight.next();
  eight.close();
  seen.refused = await open("/ws/abc").then(() => null, (error) => error.status);
  console.log(JSON.stringify(seen));
}

setTimeout(() => { console.error("took too long"); process.exit(1); }, 15000).unref();
main().catch((error) => { console.error(error); process.exit(1); });
