// Sends samples to an echo one by one, over any WebSocket with the browsers' interface; returns
// what came back. In Node, a client of its own: deflate_echo.js ws|undici URL OPTIONS, with the
// samples as JSON on standard input, the echoes as JSON on standard output.
"use strict";

const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const toBase64 = (buffer) => {
  const bytes = new Uint8Array(buffer), parts = [];
  for (let at = 0; at < bytes.length; at += 8192)
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return btoa(parts.join(""));
};

const sendWhole = (socket, content) => socket.send(content);
const sendInThirds = (socket, content) => {  // only ws can
  const bytes = Buffer.from(content), third = Math.floor(bytes.length / 3);
  const binary = typeof content !== "string";
  socket.send(bytes.subarray(0, third), { binary, fin: false });
  socket.send(bytes.subarray(third, 2 * third), { fin: false });
  socket.ping("between");
  socket.send(bytes.subarray(2 * third), { fin: true });
};

const echoes = (socket, samples, sendFragmented) => new Promise((resolve, reject) => {
  const received = [];
  const next = () => {
    if (received.length === samples.length) return socket.close(1000);
    const { text, binary, fragmented } = samples[received.length];
    const send = fragmented ? sendFragmented : sendWhole;
    send(socket, binary === undefined ? text : fromBase64(binary));
  };
  socket.binaryType = "arraybuffer";
  socket.onopen = next;
  socket.onmessage = ({ data }) => {
    received.push(typeof data === "string" ? { text: data } : { binary: toBase64(data) });
    next();
  };
  socket.onclose = ({ code, reason }) => code === 1000
    ? resolve(received) : reject(new Error(`${code} ${reason}, after ${received.length}`));
  setTimeout(() => reject(new Error(`took too long, after ${received.length}`)), 15000).unref?.();
});

if (typeof module !== "undefined") {
  const [client, url, options] = process.argv.slice(2);
  const socket = client === "ws"
    ? new (require("ws"))(url, { perMessageDeflate: JSON.parse(options) })
    : new WebSocket(url);
  socket.onerror = ({ error }) => console.error(error);
  const samples = JSON.parse(require("fs").readFileSync(0));
  echoes(socket, samples, client === "ws" ? sendInThirds : sendWhole)
    .then((received) => process.stdout.write(JSON.stringify(received)))
    .catch((error) => { console.error(error); process.exitCode = 1; });
}
