package auth

type digester struct{}

func newDigester() digester { return digester{} }
