package api

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/session"
)

// trafficRow is what has gone over a client's connection.
type trafficRow struct {
	RecvCnt uint64 `json:"recv_cnt"`
	RecvOct uint64 `json:"recv_oct"`
	RecvPkt uint64 `json:"recv_pkt"`
	RecvMsg uint64 `json:"recv_msg"`
	SendCnt uint64 `json:"send_cnt"`
	SendOct uint64 `json:"send_oct"`
	SendPkt uint64 `json:"send_pkt"`
	SendMsg uint64 `json:"send_msg"`
}

// messageRow is what EMQ X 4.4 has beside that: messages by QoS, and those that
// were dropped, of the client's own and of those for it.
type messageRow struct {
	RecvQoS0    uint64 `json:"recv_msg.qos0"`
	RecvQoS1    uint64 `json:"recv_msg.qos1"`
	RecvQoS2    uint64 `json:"recv_msg.qos2"`
	RecvDropped uint64 `json:"recv_msg.dropped"`
	RecvExpired uint64 `json:"recv_msg.dropped.expired"`
	SendQoS0    uint64 `json:"send_msg.qos0"`
	SendQoS1    uint64 `json:"send_msg.qos1"`
	SendQoS2    uint64 `json:"send_msg.qos2"`
	SendDropped uint64 `json:"send_msg.dropped"`
	SendExpired uint64 `json:"send_msg.dropped.expired"`
	QueueFull   uint64 `json:"send_msg.dropped.queue_full"`
	TooLarge    uint64 `json:"send_msg.dropped.too_large"`
}

// runtimeRow are figures about Erlang's processes, which there are not.
type runtimeRow struct {
	HeapSize   int `json:"heap_size"`
	Reductions int `json:"reductions"`
	MailboxLen int `json:"mailbox_len"`
}

func trafficOf(f *broker.Figures) trafficRow {
	t := &f.Traffic
	return trafficRow{
		RecvCnt: t.Reads, RecvOct: t.BytesIn, RecvPkt: t.PacketsIn, RecvMsg: sum(t.MessagesIn),
		SendCnt: t.Writes, SendOct: t.BytesOut, SendPkt: t.PacketsOut, SendMsg: sum(t.MessagesOut),
	}
}

func messagesOf(f *broker.Figures) messageRow {
	in, out := &f.Traffic.MessagesIn, &f.Traffic.MessagesOut
	return messageRow{
		RecvQoS0: in[0], RecvQoS1: in[1], RecvQoS2: in[2], RecvDropped: f.Traffic.Refused + f.Forgotten, RecvExpired: f.Forgotten,
		SendQoS0: out[0], SendQoS1: out[1], SendQoS2: out[2], SendDropped: f.Lost(),
		SendExpired: f.Dropped[session.Expired], QueueFull: f.Dropped[session.QueueFull], TooLarge: f.Dropped[session.TooLarge],
	}
}

func sum(byQoS [3]uint64) uint64 { return byQoS[0] + byQoS[1] + byQoS[2] }
