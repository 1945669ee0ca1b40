package node

// parts says of what the configuration switches, by the names of EMQ X's plugins and modules, whether it is on since the start.
func (n *Node) parts() (map[string]bool, error) {
	loaded, err := n.Config.loadedPlugins()
	if err != nil {
		return nil, err
	}
	modules := &n.Config.Broker.Modules
	on := map[string]bool{
		aclModule:               n.leaves.rules != nil,
		"emqx_psk_file":         n.leaves.keys != nil,
		"emqx_mod_presence":     modules.Presence,
		"emqx_mod_rewrite":      modules.Rewrite,
		"emqx_mod_subscription": modules.AutoSubscribe,
	}
	for _, o := range n.Config.Providers.optional(nil, nil) {
		on[o.plugin] = o.enable.on(loaded, o.plugin)
	}
	return on, nil
}
