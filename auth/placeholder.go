package auth

import (
	"strconv"
)

// Placeholder returns what EMQ X's %c, %u and so on stand for; ok is false if
// the letter is none of them. What the client did not give is empty.
//
//	%u user name    %c client id   %a its address     %P password
//	%C common name  %d subject     %r protocol        %p port of the listener
//	%A 1 subscribe, 2 publish      %t topic           %m mountpoint
func (r *Request) Placeholder(letter byte) (value string, ok bool) {
	c := r.Client
	switch letter {
	case 'u':
		return c.Username, true
	case 'c':
		return c.ClientID, true
	case 'a':
		if !c.Peer.IsValid() {
			return "", true
		}
		return c.Peer.Addr().Unmap().String(), true
	case 'P':
		return string(r.Password), true
	case 'C', 'd':
		return certificate(c, letter), true
	case 'r':
		return "mqtt", true
	case 'p', 'l':
		if c.Listener == nil {
			return "", true
		}
		return strconv.Itoa(int(c.Listener.Addr.Port())), true
	case 'A':
		if r.Action == Subscribe {
			return "1", true
		}
		return "2", true
	case 't':
		return r.Topic, true
	case 'm':
		return c.Mountpoint, true
	}
	return "", false
}

func certificate(c *Client, letter byte) string {
	switch {
	case c.Cert == nil:
		return ""
	case letter == 'C':
		return c.Cert.CommonName
	}
	return c.Cert.Subject
}
