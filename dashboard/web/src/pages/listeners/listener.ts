export interface Listener {
  protocol: string
  listen_on: string
  identifier: string
  max_conns: number
  current_conns: number
  /** How many connections ended for which reason; EMQ X writes [] for none. */
  shutdown_count: Record<string, number> | never[]
}

/** Why connections have ended, the most frequent first. */
export function reasons(l: Pick<Listener, 'shutdown_count'>): [reason: string, n: number][] {
  return Object.entries(l.shutdown_count).sort(([a, x], [b, y]) => y - x || a.localeCompare(b))
}
