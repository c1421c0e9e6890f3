"use strict";

const state = document.getElementById("state");
const messages = document.getElementById("messages");
const text = document.getElementById("text");
let socket;
let delay = 500;

function connect() {
  // The page's own host, with wss: if the page came by https:.
  const url = new URL("board", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.onopen = () => {
    state.textContent = "Connected";
    delay = 500;
  };
  socket.onmessage = (event) => {
    const item = document.createElement("li");
    item.textContent = event.data;
    messages.prepend(item);
  };
  socket.onclose = (event) => {
    // A random part, so that not all pages come back at the same moment.
    const wait = delay * (0.5 + Math.random());
    state.textContent = `Disconnected (${event.code}), connecting again …`;
    delay = Math.min(delay * 2, 30000);
    setTimeout(connect, wait);
  };
}

document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  socket.send(text.value);
  text.value = "";
});

connect();
