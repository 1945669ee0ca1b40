package server

import "github.com/dunlin-mq/dunlin/hook"

type certificates struct{}

func (l *listener) startSSL() error        { return nil }
func (l *listener) startWS() error         { return nil }
func (l *listener) startWSS() error        { return nil }
func (l *listener) startQUIC() error       { return nil }
func newProxyFraming(next framing) framing { return next }

func (l *listener) nameByCert(c *conn, info *hook.ClientInfo) {}

func (s *Server) ReloadCertificates() error { return nil }
