// Connects three times with Node's `ws` by TLS, exchanging a message each time. Prints for each
// connection whether it has resumed a session: tls_resume.js URL TLSv1.2|TLSv1.3
"use strict";
const https = require("https");
const WebSocket = require("ws");
const [url, version] = process.argv.slice(2);
// It remembers the sessions.
const agent = new https.Agent({ minVersion: version, maxVersion: version });

const connect = () => new Promise((resolve, reject) => {
  const socket = new WebSocket(url, { agent, handshakeTimeout: 5000 });
  let resumed;
  socket.once("upgrade", (response) => { resumed = response.socket.isSessionReused(); });
  socket.once("open", () => socket.send("hello"));
  socket.once("message", () => socket.close(1000));
  socket.once("close", (code) => code === 1000 ? resolve(resumed) : reject(new Error(code)));
  socket.once("error", reject);
});

async function main() {
  const resumed = [];
  while (resumed.length < 3) resumed.push(await connect());
  console.log(JSON.stringify(resumed));
}

setTimeout(() => { console.error("took too long"); process.exit(1); }, 15000).unref();
main().catch((error) => { console.error(error); process.exit(1); });
