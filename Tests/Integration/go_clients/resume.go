package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
	nhooyr "nhooyr.io/websocket"
)

// Connects three times by TLS of a version, exchanging a message each time. Prints for each
// connection whether it has resumed a session.
func resume(library, url, version string) {
	versions := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	config := &tls.Config{
		MinVersion:         versions[version],
		MaxVersion:         versions[version],
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	ctx := context.Background()
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	resumed := []bool{}
	for len(resumed) < 3 {
		if library == "gorilla" {
			dialer := websocket.Dialer{TLSClientConfig: config}
			client, _, err := dialer.Dial(url, nil)
			check(err)
			check(client.WriteMessage(websocket.TextMessage, []byte("hello")))
			_, _, err = client.ReadMessage()
			check(err)
			state := client.UnderlyingConn().(*tls.Conn).ConnectionState()
			resumed = append(resumed, state.DidResume)
			check(client.Close())
		} else {
			options := &nhooyr.DialOptions{HTTPClient: &http.Client{Transport: transport}}
			client, response, err := nhooyr.Dial(ctx, url, options)
			check(err)
			check(client.Write(ctx, nhooyr.MessageText, []byte("hello")))
			_, _, err = client.Read(ctx)
			check(err)
			resumed = append(resumed, response.TLS.DidResume)
			check(client.Close(nhooyr.StatusNormalClosure, ""))
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(resumed))
}
