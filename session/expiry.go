package session

import "github.com/dunlin-mq/dunlin/mqtt"

// Never is the session expiry interval of a session that doesn't expire, MQTT
// 5 clause 3.1.2.11.2.
const Never uint32 = 0xFFFFFFFF

// Will is the message that the client left for the time it vanishes, MQTT 5
// clause 3.1.2.5. The message must be a kept one.
type Will struct {
	Msg   *mqtt.Message
	Delay uint32 // seconds
}

// Will returns the will, nil if there is none.
func (s *Session) Will() *Will { return s.will }

// SetWill replaces the will; nil removes it.
func (s *Session) SetWill(w *Will) { s.will = w }

// WillAt is the time, Unix milliseconds, at which the will has to be
// published: after its delay, or when the session ends if that is earlier
// [MQTT-3.1.3-9]; 0 while the client is connected or has no will.
func (s *Session) WillAt() int64 {
	if s.online || s.offlineAt == 0 || s.will == nil {
		return 0
	}
	at := s.offlineAt + int64(s.will.Delay)*1000
	if end := s.ExpiresAt(); end != 0 {
		at = min(at, end)
	}
	return at
}

// ExpiryInterval is how many seconds the session outlives its connection;
// Never stands for ever.
func (s *Session) ExpiryInterval() uint32 { return s.expiry }

// SetExpiryInterval changes the interval, at CONNECT or DISCONNECT. That a
// DISCONNECT may not raise it from 0 [MQTT-3.14.2-2] is the caller's to check.
func (s *Session) SetExpiryInterval(seconds uint32) { s.expiry = seconds }

// ExpiresAt is the time, Unix milliseconds, at which the session ends; 0 while
// the client is connected, or if it never ends.
func (s *Session) ExpiresAt() int64 {
	if s.online || s.offlineAt == 0 || s.expiry == Never {
		return 0
	}
	return s.offlineAt + int64(s.expiry)*1000
}

// OfflineAt is when the last connection ended, Unix milliseconds; 0 while the
// client is connected.
func (s *Session) OfflineAt() int64 {
	if s.online {
		return 0
	}
	return s.offlineAt
}
