import { useGet } from '../../api/hooks'
import type { History } from '../../api/types'

/** The figures of the last hour. */
export const useHistory = () => useGet<History>('/history', { refresh: 10_000 })

/** The time of each value of a history, Unix milliseconds. */
export function timesOf(h: History): number[] {
  const n = h.series.connections.length
  return Array.from({ length: n }, (_, i) => h.last_at - (n - 1 - i) * h.interval_ms)
}
