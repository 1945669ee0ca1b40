package mqtt

import "testing"

func BenchmarkDecode(b *testing.B) {
	run := func(name string, v Version, p Packet) {
		buf := Append(nil, p, v)
		b.Run(name, func(b *testing.B) {
			s, d := Stream{Version: v}, Decoder{}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := d.Next(&s, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	payload := make([]byte, 16)
	run("publish qos0 v3", V311, &Publish{Topic: "site/1/dev/22/state", Payload: payload})
	run("publish qos1 v3", V311, &Publish{Topic: "site/1/dev/22/state", QoS: 1, PacketID: 7, Payload: payload})
	run("publish qos1 v5", V5, &Publish{Topic: "site/1/dev/22/state", QoS: 1, PacketID: 7, Payload: payload})
	run("publish alias v5", V5, &Publish{QoS: 1, PacketID: 7, Payload: payload,
		Props: &Properties{Present: PropTopicAlias, TopicAlias: 3}})
	run("publish user property v5", V5, &Publish{QoS: 1, PacketID: 7, Payload: payload,
		Props: &Properties{Present: PropUserProperty, UserProperties: []UserProperty{{"key", "value"}}}})
	run("puback v3", V311, &Ack{Kind: TypePuback, PacketID: 7})
	run("pingreq", V311, &Pingreq{})
	run("connect v3", V311, &Connect{Version: V311, ClientID: "client-0001", CleanStart: true, KeepAlive: 300})
	run("subscribe v3", V311, &Subscribe{PacketID: 7, Filters: []SubscribeFilter{{Filter: "site/1/#"}}})
}

func BenchmarkAppend(b *testing.B) {
	run := func(name string, v Version, p Packet) {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf = Append(buf[:0], p, v)
			}
		})
	}
	run("publish qos1 v3", V311, &Publish{Topic: "site/1/dev/22/state", QoS: 1, PacketID: 7, Payload: make([]byte, 16)})
	run("puback v5", V5, &Ack{Kind: TypePuback, PacketID: 7, Code: NoMatchingSubscribers})
	run("connack v5", V5, &Connack{Props: &Properties{Present: PropTopicAliasMaximum | PropRetainAvailable}})
}

func BenchmarkTemplate(b *testing.B) {
	run := func(name string, v Version, o PublishOptions) {
		b.Run(name, func(b *testing.B) {
			var t Template
			t.Reset(&Message{Topic: "site/1/dev/22/state", Payload: make([]byte, 16)})
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf = t.Append(buf[:0], v, &o)
			}
		})
	}
	run("qos0 v3", V311, PublishOptions{})
	run("qos1 v3", V311, PublishOptions{QoS: 1, PacketID: 7})
	run("qos1 v5", V5, PublishOptions{QoS: 1, PacketID: 7})
	run("qos1 v5 subscription id, alias", V5, PublishOptions{QoS: 1, PacketID: 7, SubscriptionID: 9, Alias: 3, OmitTopic: true})
}
