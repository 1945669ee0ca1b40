export type Kind = 'plugins' | 'modules'

/** A plugin or a module. */
export interface Part {
  name: string
  description: string
  active: boolean
  type?: string
  /** The one it was told of by. */
  node: string
}

/** Those of all nodes, each once; on if it is on anywhere. */
export function parts(nodes: readonly { node: string; [kind: string]: unknown }[], kind: Kind): Part[] {
  const byName = new Map<string, Part>()
  for (const node of nodes) {
    for (const p of (node[kind] as Part[] | undefined) ?? []) {
      byName.set(p.name, { ...p, node: node.node, active: p.active || (byName.get(p.name)?.active ?? false) })
    }
  }
  return [...byName.values()]
}

/** Those with some text in name or description. */
export function wanted(all: readonly Part[], search: string, onlyOn: boolean): Part[] {
  const part = search.trim().toLowerCase()
  return all.filter((p) => (!onlyOn || p.active) && `${p.name} ${p.description}`.toLowerCase().includes(part))
}
