package node

// parts says of what the configuration switches, by the names of EMQ X's plugins and modules, whether it is on since the start.
func (n *Node) parts() (map[string]bool, error) {
	loaded, err := n.Config.loadedPlugins()
	if err != nil {
		return nil, err
	}
	modules := &n.Config.Broker.Modules
	on := map[string]bool{
		"emqx_dashboard":        n.Config.hasDashboard(loaded),
		aclModule:               n.leaves.rules != nil,
		"emqx_psk_file":         n.leaves.keys != nil,
		"emqx_mod_presence":     modules.Presence,
		"emqx_mod_rewrite":      modules.Rewrite,
		slowModule:              modules.Slow.On,
		"emqx_mod_subscription": modules.AutoSubscribe,
	}
	for _, o := range n.Config.Providers.optional(nil, nil) {
		on[o.plugin] = o.enable.on(loaded, o.plugin)
	}
	return on, nil
}

// hasDashboard reports whether the dashboard is on: until something says what is loaded, it is.
func (c *Config) hasDashboard(loaded names) bool {
	return (loaded == nil || loaded.has("emqx_dashboard")) && len(c.Dashboard.HTTP.Addresses)+len(c.Dashboard.HTTPS.Addresses) > 0
}
