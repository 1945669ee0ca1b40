package mqtt

import (
	"fmt"
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	row := func(p Packet, want string) {
		t.Helper()
		if got := fmt.Sprint(p); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	name := "joe"
	row(&Connect{Version: V5, ClientID: "c", KeepAlive: 60, Username: &name, Password: []byte("secret"),
		Will:  &Will{QoS: 1, Retain: true, Topic: "w", Payload: []byte("bye"), Props: &Properties{Present: PropWillDelay, WillDelay: 5}},
		Props: &Properties{Present: PropAuthMethod | PropAuthData, AuthMethod: "m", AuthData: []byte("secret")}},
		`CONNECT(ClientId="c", Version=5, CleanStart=false, KeepAlive=60, Username="joe", Password=******, `+
			`Will(Q1, R1, Topic="w", Payload=3 bytes, Will-Delay-Interval=5), Authentication-Method="m", Authentication-Data=6 bytes)`)
	row(&Connack{Code: Banned}, `CONNACK(SessionPresent=false, Code=banned)`)
	row(&Publish{QoS: 1, Dup: true, Topic: "a", PacketID: 3, Payload: []byte("x"),
		Props: &Properties{Present: PropUserProperty | PropSubscriptionID, SubscriptionIDs: []uint32{1, 2}, UserProperties: []UserProperty{{"k", "v"}}}},
		`PUBLISH(Q1, R0, D1, Topic="a", PacketId=3, Payload=1 bytes, Subscription-Identifier=[1 2], User-Property=[{"k" "v"}])`)
	row(&Ack{Kind: TypePubrel, PacketID: 3, Code: PacketIdentifierNotFound}, `PUBREL(PacketId=3, Code=packet_identifier_not_found)`)
	row(&Subscribe{PacketID: 3, Filters: []SubscribeFilter{{"a", SubscribeOptions{1, true, false, 2}}, {Filter: "b"}}},
		`SUBSCRIBE(PacketId=3, "a" Q1 NL1 RAP0 RH2, "b" Q0 NL0 RAP0 RH0)`)
	row(&Suback{PacketID: 3, Codes: []ReasonCode{GrantedQoS1, NotAuthorized}}, `SUBACK(PacketId=3, Codes=[granted_qos1 not_authorized])`)
	row(&Unsubscribe{PacketID: 3, Filters: []string{"a", "b"}}, `UNSUBSCRIBE(PacketId=3, Filters=["a" "b"])`)
	row(&Unsuback{PacketID: 3}, `UNSUBACK(PacketId=3, Codes=[])`)
	row(&Pingreq{}, `PINGREQ`)
	row(&Pingresp{}, `PINGRESP`)
	row(&Disconnect{Code: ServerMoved, Props: &Properties{Present: PropServerReference, ServerReference: "s"}},
		`DISCONNECT(Code=server_moved, Server-Reference="s")`)
	row(&Auth{Code: ReAuthenticate}, `AUTH(Code=re_authenticate)`)
}

// TestNothingSecret: whatever way a packet is printed, its secrets are not.
func TestNothingSecret(t *testing.T) {
	c := &Connect{Password: []byte("secret"), Props: &Properties{Present: PropAuthData, AuthData: []byte("secret")}}
	for _, format := range []string{"%v", "%+v", "%s"} {
		text := fmt.Sprintf(format, c)
		if strings.Contains(text, "secret") || strings.Contains(text, fmt.Sprint([]byte("secret"))) {
			t.Errorf("%s shows the secret: %s", format, text)
		}
	}
}
