import { path } from '../../api/client'
import { useGet } from '../../api/hooks'
import type { History } from '../../api/types'

/** The figures of the last hour: of a node, or of all together. */
export const useHistory = (node: string) => useGet<History>(node ? path`/nodes/${node}/history` : '/history', { refresh: 10_000 })

/** The time of each value of a history, Unix milliseconds. */
export function timesOf(h: History): number[] {
  const n = h.series.connections.length
  return Array.from({ length: n }, (_, i) => h.last_at - (n - 1 - i) * h.interval_ms)
}
