package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
)

const topics = 50

var symbols = []string{"APUS", "SWFT", "LARK"}

// What is published to a topic under a number, and whether it is text; see churn.py.
func content(topic, number int) (data []byte, text bool) {
	x := uint32(number)*2654435761 + uint32(topic)*40503
	next := func() uint32 {
		x = x*1664525 + 1013904223
		return x
	}
	bid := x % 90000
	event := fmt.Sprintf(
		`{"type":"quote","symbol":"%s","bid":%d,"ask":%d,"venue":"XAMS","note":"%s"}`,
		symbols[x%3], bid, bid+7, strings.Repeat("steady ", number%9))
	switch number % 32 {
	case 3:
		event = fmt.Sprintf("up %d", x%10)
	case 7:
		event = strings.Repeat(event, 20)
	case 15:
		event = ""
		for index := 0; index < 40; index++ {
			event += strconv.FormatUint(uint64(next()), 10)
		}
	case 19:
		noise := make([]byte, 300)
		for index := range noise {
			noise[index] = byte(next() >> 24)
		}
		event = string(noise)
	}
	data = []byte(fmt.Sprintf("t%d %d %s", topic, number, event))
	return data, number%32 != 11 && number%32 != 19
}

// The clients of this process, and one that keeps pace with the publishers.
type crowd struct {
	dial  dialer
	total int

	lock    sync.Mutex
	changed *sync.Cond
	busy    int // who is joining, leaving or changing topics
	settles bool
	seen    struct {
		Joins      int `json:"joins"`
		Deliveries int `json:"deliveries"`
		Privates   int `json:"privates"`
	}
}

func (c *crowd) begin() bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	if !c.settles {
		c.busy++
	}
	return !c.settles
}

func (c *crowd) end(joined bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if joined {
		c.seen.Joins++
	}
	c.busy--
	c.changed.Broadcast()
}

func (c *crowd) waitUntilIdle(settles bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.settles = settles
	for c.busy > 0 {
		c.changed.Wait()
	}
}

func (c *crowd) keepPace(url string) {
	pacer := c.dial(url)
	check(pacer.send("subscribe pace"))
	for {
		_, data, err := pacer.receive()
		check(err)
		switch word := string(data); word {
		case "subscribed pace":
			c.waitUntilIdle(false)
			fmt.Println("ready")
		case "end":
			check(pacer.leave())
			return
		default:
			if word == "settle" {
				c.waitUntilIdle(true)
			}
			check(pacer.send("publish paced\n" + word))
		}
	}
}

// One after the other, connections that live for a random time.
type client struct {
	crowd      *crowd
	url        string
	chosen     *rand.Rand
	floor      map[int]int // of topics that it left: what comes later has a higher number
	next       map[int]int // by topic that it subscribes to; -1: nothing has come
	private    []string
	connection subscriber
}

// Whether it stayed until the end.
func (c *client) live() bool {
	c.next, c.private = map[int]int{}, nil
	c.connection = c.crowd.dial(c.url)
	for _, topic := range c.chosen.Perm(topics)[:1+c.chosen.Intn(3)] {
		c.subscribe(topic)
	}
	c.crowd.end(true)
	for {
		for count := 5 + c.chosen.Intn(55); count > 0; count-- {
			if c.isAtTheEnd() {
				c.say(60)
				check(c.connection.leave())
				return true
			}
			c.step()
		}
		switch action := c.chosen.Intn(8); {
		case action < 2:
			c.say(2)
		case action < 4:
			c.say(60) // compressed, so that its context is its own
		case !c.crowd.begin():
		case action < 6:
			c.change()
			c.crowd.end(false)
		default:
			if action == 6 {
				check(c.connection.leave())
			} else {
				c.connection.abort()
				for err := error(nil); err == nil; {
					_, _, err = c.connection.receive()
				}
			}
			for topic := range c.next {
				c.forget(topic)
			}
			return false
		}
	}
}

func (c *client) isAtTheEnd() bool {
	for _, number := range c.next {
		if number != c.crowd.total {
			return false
		}
	}
	return true
}

func (c *client) forget(topic int) {
	if number := c.next[topic]; number >= 0 {
		c.floor[topic] = number
	}
	delete(c.next, topic)
}

func (c *client) change() {
	all := c.chosen.Perm(topics)
	for _, topic := range all {
		if _, found := c.next[topic]; found {
			check(c.connection.send(fmt.Sprintf("unsubscribe t%d", topic)))
			for found {
				c.step()
				_, found = c.next[topic]
			}
			break
		}
	}
	for _, topic := range all {
		if _, found := c.next[topic]; !found {
			c.subscribe(topic)
			return
		}
	}
}

func (c *client) subscribe(topic int) {
	check(c.connection.send(fmt.Sprintf("subscribe t%d", topic)))
	for found := false; !found; {
		c.step()
		_, found = c.next[topic]
	}
}

func (c *client) say(length int) {
	c.crowd.lock.Lock()
	number := c.crowd.seen.Privates
	c.crowd.seen.Privates++
	c.crowd.lock.Unlock()
	said := fmt.Sprintf("private %d ", number) + strings.Repeat("between us, ", length)
	c.private = append(c.private, said)
	check(c.connection.send("echo\n" + said))
	for len(c.private) > 0 {
		c.step()
	}
}

func (c *client) step() {
	text, data, err := c.connection.receive()
	check(err)
	head := string(data[:min(len(data), 40)])
	var topic, number int
	if strings.HasPrefix(head, "private ") {
		if !text || len(c.private) == 0 || string(data) != c.private[0] {
			log.Fatal("not what was said: ", string(data))
		}
		c.private = c.private[1:]
	} else if _, err := fmt.Sscanf(head, "subscribed t%d", &topic); err == nil {
		c.next[topic] = -1
	} else if _, err := fmt.Sscanf(head, "unsubscribed t%d", &topic); err == nil {
		c.forget(topic)
	} else if _, err := fmt.Sscanf(head, "t%d %d", &topic, &number); err == nil {
		c.published(topic, number, data, text)
	} else {
		log.Fatal("unexpected: ", head)
	}
}

func (c *client) published(topic, number int, data []byte, text bool) {
	expected, found := c.next[topic]
	isNext := number == expected || expected < 0 && number >= c.floor[topic]
	if !found || !isNext {
		log.Fatal("topic ", topic, ": ", number, " instead of ", expected)
	}
	if data2, text2 := content(topic, number); text != text2 || !bytes.Equal(data, data2) {
		log.Fatal("topic ", topic, ", ", number, ": ", string(data))
	}
	c.next[topic] = number + 1
	c.crowd.lock.Lock()
	c.crowd.seen.Deliveries++
	c.crowd.lock.Unlock()
}

func min(one, other int) int {
	if one < other {
		return one
	}
	return other
}

func churn(dial dialer, url, tapped string, numbers []string) {
	var count, seed, total int
	_, err := fmt.Sscan(strings.Join(numbers, " "), &count, &seed, &total)
	check(err)
	crowd := &crowd{dial: dial, total: total, busy: count}
	crowd.changed = sync.NewCond(&crowd.lock)
	var all sync.WaitGroup
	all.Add(1 + count)
	go func() {
		defer all.Done()
		crowd.keepPace(url)
	}()
	for index := 0; index < count; index++ {
		chosen := rand.New(rand.NewSource(int64(seed*1000 + index)))
		one := &client{crowd: crowd, url: url, chosen: chosen, floor: map[int]int{}}
		if index == 0 {
			one.url = tapped
		}
		go func() {
			defer all.Done()
			for !one.live() {
			}
		}()
	}
	all.Wait()
	check(json.NewEncoder(os.Stdout).Encode(crowd.seen))
}
