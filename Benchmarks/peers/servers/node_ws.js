// Echo at /echo and broadcast at /broadcast with Node's ws.
//
//   node node_ws.js PORT
//
// permessage-deflate on, which ws leaves off by default; else its defaults, but that it compresses
// messages of any size, where it would only from 1 KiB.
'use strict'
const { WebSocket, WebSocketServer } = require('ws')

const server = new WebSocketServer({
    host: '127.0.0.1',
    port: Number(process.argv[2]),
    backlog: 4096,
    perMessageDeflate: { threshold: 0 },
})

const members = new Set()

server.on('connection', (socket, request) => {
    socket.on('error', () => socket.terminate())
    if (request.url === '/broadcast') {
        members.add(socket)
        socket.on('close', () => members.delete(socket))
        socket.on('message', (message, binary) => {
            for (const member of members) {
                if (member.readyState === WebSocket.OPEN) member.send(message, { binary })
            }
        })
    } else {
        socket.on('message', (message, binary) => socket.send(message, { binary }))
    }
})
