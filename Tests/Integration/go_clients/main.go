// Sends samples to an echo one by one with a WebSocket library for Go, or collects topics, or does
// what churn.py does.
//
//	go_clients gorilla|nhooyr|nhooyr-takeover URL [TOPIC...]
//	go_clients churn gorilla|nhooyr|nhooyr-takeover URL TAPPED CLIENTS SEED TOTAL
//	go_clients resume gorilla|nhooyr URL 1.2|1.3
//
// The samples come as JSON on standard input, the echoes go as JSON to standard output; so does
// what was collected.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/gorilla/websocket"
	nhooyr "nhooyr.io/websocket"
)

type message struct {
	Text       *string `json:"text,omitempty"`
	Binary     []byte  `json:"binary,omitempty"`
	Fragmented bool    `json:"fragmented,omitempty"`
}

func (m message) data() []byte {
	if m.Text != nil {
		return []byte(*m.Text)
	}
	return m.Binary
}

// Where to cut what is sent in fragments.
func (m message) thirds() [][]byte {
	data := m.data()
	third := len(data) / 3
	return [][]byte{data[:third], data[third : 2*third], data[2*third:]}
}

func received(text bool, data []byte) any {
	if text {
		return map[string]string{"text": string(data)}
	}
	return map[string][]byte{"binary": append([]byte{}, data...)}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func withGorilla(url string, samples []message) (echoes []any) {
	dialer := websocket.Dialer{EnableCompression: true, WriteBufferSize: 4096}
	client, _, err := dialer.Dial(url, nil)
	check(err)
	for _, sample := range samples {
		kind := websocket.BinaryMessage
		if sample.Text != nil {
			kind = websocket.TextMessage
		}
		if sample.Fragmented { // a fragment for each full write buffer
			writer, err := client.NextWriter(kind)
			check(err)
			for number, part := range sample.thirds() {
				if number == 2 {
					soon := time.Now().Add(5 * time.Second)
					check(client.WriteControl(websocket.PingMessage, []byte("between"), soon))
				}
				_, err = writer.Write(part)
				check(err)
			}
			check(writer.Close())
		} else {
			check(client.WriteMessage(kind, sample.data()))
		}
		kind, data, err := client.ReadMessage()
		check(err)
		echoes = append(echoes, received(kind == websocket.TextMessage, data))
	}
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	check(client.WriteMessage(websocket.CloseMessage, bye))
	if _, _, err = client.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		log.Fatal(err)
	}
	check(client.Close())
	return echoes
}

func withNhooyr(url string, mode nhooyr.CompressionMode, samples []message) (echoes []any) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	options := &nhooyr.DialOptions{CompressionMode: mode, CompressionThreshold: 1}
	client, _, err := nhooyr.Dial(ctx, url, options)
	check(err)
	client.SetReadLimit(1 << 21)
	incoming := make(chan any)
	go func() {
		defer close(incoming)
		for {
			kind, data, err := client.Read(ctx)
			if err != nil {
				return
			}
			incoming <- received(kind == nhooyr.MessageText, data)
		}
	}()
	for _, sample := range samples {
		kind := nhooyr.MessageBinary
		if sample.Text != nil {
			kind = nhooyr.MessageText
		}
		writer, err := client.Writer(ctx, kind)
		check(err)
		if sample.Fragmented {
			for number, part := range sample.thirds() {
				if number == 2 {
					check(client.Ping(ctx))
				}
				_, err = writer.Write(part)
				check(err)
			}
		} else {
			_, err = writer.Write(sample.data())
			check(err)
		}
		check(writer.Close())
		echo, open := <-incoming
		if !open {
			log.Fatal("closed after ", len(echoes))
		}
		echoes = append(echoes, echo)
	}
	check(client.Close(nhooyr.StatusNormalClosure, ""))
	return echoes
}

func main() {
	if len(os.Args) > 3 {
		dialers := map[string]dialer{
			"gorilla":         dialGorilla,
			"nhooyr":          dialNhooyr(nhooyr.CompressionNoContextTakeover),
			"nhooyr-takeover": dialNhooyr(nhooyr.CompressionContextTakeover),
		}
		if os.Args[1] == "resume" {
			resume(os.Args[2], os.Args[3], os.Args[4])
			return
		}
		if os.Args[1] == "churn" {
			churn(dialers[os.Args[2]], os.Args[3], os.Args[4], os.Args[5:])
			return
		}
		collect(dialers[os.Args[1]], os.Args[2], os.Args[3:])
		return
	}
	var samples []message
	check(json.NewDecoder(os.Stdin).Decode(&samples))
	url := os.Args[2]
	var echoes []any
	switch os.Args[1] {
	case "gorilla":
		echoes = withGorilla(url, samples)
	case "nhooyr":
		echoes = withNhooyr(url, nhooyr.CompressionNoContextTakeover, samples)
	case "nhooyr-takeover":
		echoes = withNhooyr(url, nhooyr.CompressionContextTakeover, samples)
	default:
		log.Fatal("no client ", os.Args[1])
	}
	check(json.NewEncoder(os.Stdout).Encode(echoes))
}
