// Subscribes to topics and collects what comes until each has said "end"; in Node and in browsers.
// Every 40th message it asks for an echo of its own, long enough to be compressed.
function collect(socket, topics, onReady) {
  return new Promise((resolve, reject) => {
    const received = [];
    let subscribed = 0, ended = 0, owed = 0;
    socket.binaryType = "arraybuffer";
    socket.onerror = (event) => reject(new Error("error: " + (event.message || "")));
    socket.onclose = (event) => reject(new Error("closed with " + event.code));
    socket.onopen = () => topics.forEach((topic) => socket.send("subscribe " + topic));
    socket.onmessage = ({ data }) => {
      if (typeof data === "string" && data.startsWith("subscribed ")) {
        if (++subscribed === topics.length) onReady();
        return;
      }
      if (typeof data === "string") {
        received.push({ text: data });
        if (data.startsWith("private ")) owed--;
        if (data.startsWith("end ")) ended++;
      } else {
        let binary = "";
        new Uint8Array(data).forEach((byte) => { binary += String.fromCharCode(byte); });
        received.push({ binary: btoa(binary) });
      }
      if (received.length % 40 === 0) {
        owed++;
        socket.send("echo\nprivate " + received.length + " " + "what only one is told, ".repeat(30));
      }
      if (ended === topics.length && owed === 0) {
        socket.onclose = null;
        socket.close(1000);
        resolve(received);
      }
    };
  });
}

if (typeof window === "undefined") {
  const [kind, url, ...topics] = process.argv.slice(2);
  const Socket = kind === "ws" ? require("ws") : WebSocket;
  collect(new Socket(url), topics, () => console.log("ready"))
    .then((received) => console.log(JSON.stringify(received)))
    .catch((error) => { console.error(error); process.exit(1); });
}
