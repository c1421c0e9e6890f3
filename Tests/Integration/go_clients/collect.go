package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/gorilla/websocket"
	nhooyr "nhooyr.io/websocket"
)

// Subscribes to topics and collects what comes until each has said "end", as topics_collect.js
// does: every 40th message it asks for an echo of its own, long enough to be compressed.
func collect(dial dialer, url string, topics []string) {
	client := dial(url)
	for _, topic := range topics {
		check(client.send("subscribe " + topic))
	}
	all := []any{}
	subscribed, ended, owed := 0, 0, 0
	for ended < len(topics) || owed > 0 {
		text, data, err := client.receive()
		check(err)
		if text && strings.HasPrefix(string(data), "subscribed ") {
			if subscribed++; subscribed == len(topics) {
				fmt.Println("ready")
			}
			continue
		}
		all = append(all, received(text, data))
		if text && strings.HasPrefix(string(data), "private ") {
			owed--
		}
		if text && strings.HasPrefix(string(data), "end ") {
			ended++
		}
		if len(all)%40 == 0 {
			owed++
			words := strings.Repeat("what only one is told, ", 30)
			check(client.send(fmt.Sprintf("echo\nprivate %d %s", len(all), words)))
		}
	}
	check(client.leave())
	check(json.NewEncoder(os.Stdout).Encode(all))
}

type subscriber struct {
	send    func(text string) error
	receive func() (text bool, data []byte, err error)
	leave   func() error
	abort   func()
}

type dialer func(url string) subscriber

func dialGorilla(url string) subscriber {
	dialer := websocket.Dialer{EnableCompression: true}
	client, response, err := dialer.Dial(url, nil)
	check(err)
	checkCompression(response)
	return subscriber{
		send: func(text string) error {
			return client.WriteMessage(websocket.TextMessage, []byte(text))
		},
		receive: func() (bool, []byte, error) {
			kind, data, err := client.ReadMessage()
			return kind == websocket.TextMessage, data, err
		},
		leave: func() error {
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := client.WriteMessage(websocket.CloseMessage, bye); err != nil {
				return err
			}
			for { // what was on its way comes first
				if _, _, err := client.ReadMessage(); websocket.IsCloseError(err, 1000) {
					return client.Close()
				} else if err != nil {
					return err
				}
			}
		},
		abort: func() { client.UnderlyingConn().Close() },
	}
}

func checkCompression(response *http.Response) {
	if !strings.HasPrefix(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-") {
		log.Fatal("no compression was agreed on")
	}
}

func dialNhooyr(mode nhooyr.CompressionMode) dialer {
	return func(url string) subscriber {
		ctx := context.Background()
		var connection net.Conn
		transport := &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				var err error
				connection, err = new(net.Dialer).DialContext(ctx, network, address)
				return connection, err
			},
		}
		client, response, err := nhooyr.Dial(ctx, url, &nhooyr.DialOptions{
			HTTPClient:           &http.Client{Transport: transport},
			CompressionMode:      mode,
			CompressionThreshold: 1,
		})
		check(err)
		checkCompression(response)
		client.SetReadLimit(1 << 21)
		return subscriber{
			send: func(text string) error {
				return client.Write(ctx, nhooyr.MessageText, []byte(text))
			},
			receive: func() (bool, []byte, error) {
				kind, data, err := client.Read(ctx)
				return kind == nhooyr.MessageText, data, err
			},
			leave: func() error { return client.Close(nhooyr.StatusNormalClosure, "") },
			abort: func() { connection.Close() },
		}
	}
}
