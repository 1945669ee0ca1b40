package clienttest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/extensions/topicaliases"
)

// nextRaw is the next PUBLISH with its properties.
func (p *pahoV5) nextRaw(t *testing.T) *paho.Publish {
	t.Helper()
	receive(t, p, 1)
	return <-p.raw
}

func ptr[V any](v V) *V { return &v }

// TestRequestResponse is a round trip with all properties that travel with a
// message.
func TestRequestResponse(t *testing.T) {
	t.Parallel()
	at := start(t, "tcp").at(t, "tcp", 5)
	asks, answers := dialPahoV5(t, at, session{id: "asks"}, nil), dialPahoV5(t, at, session{id: "answers"}, nil)
	asks.subscribe(t, "answer/asks", 1)
	answers.subscribe(t, "ask/+", 2)
	users := paho.UserProperties{{Key: "trace", Value: "1"}, {Key: "trace", Value: "2"}, {Key: "a", Value: ""}}
	asks.publishPacket(t, &paho.Publish{Topic: "ask/time", QoS: 2, Payload: []byte("?"), Properties: &paho.PublishProperties{
		ResponseTopic: "answer/asks", CorrelationData: []byte{0, 1, 0xFF}, ContentType: "text/plain",
		PayloadFormat: ptr(byte(1)), MessageExpiry: ptr(uint32(60)), User: users,
	}})
	q := answers.nextRaw(t)
	switch p := q.Properties; {
	case string(q.Payload) != "?" || q.QoS != 2:
		t.Errorf("the question arrived as %v", q)
	case p.ResponseTopic != "answer/asks" || string(p.CorrelationData) != "\x00\x01\xff" || p.ContentType != "text/plain":
		t.Errorf("the question's properties arrived as %+v", p)
	case p.PayloadFormat == nil || *p.PayloadFormat != 1 || p.MessageExpiry == nil || *p.MessageExpiry > 60 || *p.MessageExpiry < 55:
		t.Errorf("payload format or expiry arrived as %+v", p)
	case !slices.Equal(p.User, users):
		t.Errorf("the user properties arrived as %v, expected %v", p.User, users)
	}
	answers.publishPacket(t, &paho.Publish{Topic: q.Properties.ResponseTopic, QoS: 1, Payload: []byte("12:00"),
		Properties: &paho.PublishProperties{CorrelationData: q.Properties.CorrelationData}})
	if a := asks.nextRaw(t); string(a.Payload) != "12:00" || string(a.Properties.CorrelationData) != "\x00\x01\xff" {
		t.Errorf("the answer arrived as %v", a)
	}
}

// TestTopicAliases: the client uses them towards the broker, and the broker
// towards a client that allows two.
func TestTopicAliases(t *testing.T) {
	t.Parallel()
	at := start(t, "tcp").at(t, "tcp", 5)
	pub := dialPahoV5(t, at, session{id: "pub"}, nil)
	sub := dialPahoV5(t, at, session{id: "sub"}, &paho.ConnectProperties{TopicAliasMaximum: ptr(uint16(2))})
	sub.subscribe(t, "a/#", 1)
	aliases := topicaliases.NewTAHandler(10)
	topics := map[uint16]string{}
	bare := 0
	for i := range 30 {
		k := &paho.Publish{Topic: fmt.Sprint("a/", i%3), QoS: 1, Payload: []byte(fmt.Sprint(i))}
		aliases.PublishHook(k) // leaves the topic out when the broker knows its alias
		pub.publishPacket(t, k)
		got := sub.nextRaw(t)
		topic := got.Topic
		if alias := got.Properties.TopicAlias; alias != nil {
			switch {
			case *alias == 0 || *alias > 2:
				t.Fatalf("message %d has the alias %d, and 2 are allowed", i, *alias)
			case topic != "":
				topics[*alias] = topic
			default:
				bare++
				topic = topics[*alias]
			}
		}
		if topic != fmt.Sprint("a/", i%3) || string(got.Payload) != fmt.Sprint(i) {
			t.Fatalf("message %d arrived as %s on %q", i, got.Payload, topic)
		}
	}
	if bare == 0 {
		t.Error("the broker never made use of the client's Topic Alias Maximum")
	}
}

// TestSubscriptionOptions: identifiers, no local, retain as published and
// retain handling, as Paho asks for them.
func TestSubscriptionOptions(t *testing.T) {
	t.Parallel()
	at := start(t, "tcp").at(t, "tcp", 5)
	one, other := dialPahoV5(t, at, session{id: "one"}, nil), dialPahoV5(t, at, session{id: "other"}, nil)
	other.publish(t, "a/kept", 1, true, "old")
	subscribe := func(id int, o paho.SubscribeOptions) {
		t.Helper()
		_, err := one.Subscribe(context.Background(), &paho.Subscribe{
			Subscriptions: []paho.SubscribeOptions{o}, Properties: &paho.SubscribeProperties{SubscriptionIdentifier: &id},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(topic, payload string, id int, retain bool) {
		t.Helper()
		got := one.nextRaw(t)
		if got.Topic != topic || string(got.Payload) != payload || got.Retain != retain || got.Properties.SubscriptionIdentifier == nil ||
			*got.Properties.SubscriptionIdentifier != id {
			t.Errorf("got %v, expected %s on %s for subscription %d, retain %v", got, payload, topic, id, retain)
		}
	}
	subscribe(7, paho.SubscribeOptions{Topic: "a/+", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2})
	one.publish(t, "a/x", 1, false, "my own")
	other.publish(t, "a/x", 1, true, "new")
	expect("a/x", "new", 7, true)
	subscribe(8, paho.SubscribeOptions{Topic: "a/+", QoS: 1, RetainHandling: 1}) // not a new subscription
	other.publish(t, "a/y", 1, true, "newer")
	expect("a/y", "newer", 8, false)
	subscribe(9, paho.SubscribeOptions{Topic: "a/kept", QoS: 1, RetainHandling: 1})
	expect("a/kept", "old", 9, true)
}
