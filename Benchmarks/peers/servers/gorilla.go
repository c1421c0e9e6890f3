// Echo at /echo and broadcast at /broadcast with gorilla/websocket.
//
//	gorilla PORT
//
// Compression on, at the library's level (1). A broadcast is a PreparedMessage, framed and
// compressed once, which each connection's own goroutine writes.
package main

import (
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

// How many messages may wait for a member that reads slowly, before it is let go.
const backlog = 64

var upgrader = websocket.Upgrader{
	ReadBufferSize:    4096,
	WriteBufferSize:   4096,
	WriteBufferPool:   &sync.Pool{},
	EnableCompression: true,
	CheckOrigin:       func(*http.Request) bool { return true },
}

func echo(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if connection.WriteMessage(kind, message) != nil {
			return
		}
	}
}

type hub struct {
	lock    sync.Mutex
	members map[*websocket.Conn]chan *websocket.PreparedMessage
}

func (hub *hub) join(connection *websocket.Conn) chan *websocket.PreparedMessage {
	waiting := make(chan *websocket.PreparedMessage, backlog)
	hub.lock.Lock()
	hub.members[connection] = waiting
	hub.lock.Unlock()
	return waiting
}

func (hub *hub) leave(connection *websocket.Conn) {
	hub.lock.Lock()
	if waiting, ok := hub.members[connection]; ok {
		delete(hub.members, connection)
		close(waiting)
	}
	hub.lock.Unlock()
}

func (hub *hub) publish(message *websocket.PreparedMessage) {
	hub.lock.Lock()
	for connection, waiting := range hub.members {
		select {
		case waiting <- message:
		default:
			delete(hub.members, connection)
			close(waiting)
		}
	}
	hub.lock.Unlock()
}

func (hub *hub) serve(writer http.ResponseWriter, request *http.Request) {
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	waiting := hub.join(connection)
	go func() {
		defer connection.Close()
		for message := range waiting {
			if connection.WritePreparedMessage(message) != nil {
				return
			}
		}
	}()
	defer hub.leave(connection)
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return
		}
		hub.publish(prepared)
	}
}

func main() {
	members := &hub{members: map[*websocket.Conn]chan *websocket.PreparedMessage{}}
	http.HandleFunc("/echo", echo)
	http.HandleFunc("/broadcast", members.serve)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
