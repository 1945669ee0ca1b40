import { useState } from 'react'
import { rate, total, type Sample } from '../../api/figures'
import { every, useGet } from '../../api/hooks'
import type { NodeMetrics, NodeStats } from '../../api/types'
import { Sparkline } from '../../components/Chart'
import { Grid } from '../../components/Page'
import { Stat } from '../../components/Small'
import { ErrorBox } from '../../components/States'
import { count, short } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { useHistory } from './history'
import { text } from './text'

/** The last two samples of the metrics, of a node or summed over all. */
function useMetrics(node: string): { before: Sample | undefined; now: Sample | undefined } {
  const { data, dataUpdatedAt } = useGet<NodeMetrics[]>('/metrics', { refresh: every.live })
  const key = `${node} of ${data?.data.map((n) => n.node).join(' ') ?? ''}`
  const [pair, setPair] = useState<{ before: Sample | undefined; now: Sample | undefined; of: string }>({ before: undefined, now: undefined, of: '' })
  if (data && (pair.now?.at !== dataUpdatedAt || pair.of !== key)) {
    const values = total(data.data.filter((n) => !node || n.node === node).map((n) => n.metrics))
    // A sum of fewer nodes is no rate.
    setPair({ before: pair.of === key ? pair.now : undefined, now: { at: dataUpdatedAt, values }, of: key })
  }
  return pair
}

export function Tiles({ node }: { node: string }) {
  const t = useText(text)
  const stats = useGet<NodeStats[]>('/stats', { refresh: every.live })
  const { before, now } = useMetrics(node)
  const series = useHistory(node).data?.data.series
  if (stats.error && !stats.data) return <ErrorBox error={stats.error} />

  const s = total(stats.data?.data.filter((n) => !node || n.node === node).map((n) => n.stats) ?? [])
  const [connected, sessions] = [s['connections.count'], s['sessions.count']]
  const away = sessions !== undefined && connected !== undefined ? Math.max(0, sessions - connected) : undefined
  // Until there are two samples, the history has the last rate.
  const perSecond = (name: string, lately: readonly (number | null)[] | undefined) => (
    <>
      {short(rate(before, now, name) ?? lately?.at(-1))}
      <small>{t.perSecond}</small>
    </>
  )
  return (
    <Grid of="tiles">
      <Stat name={t.connections} value={short(connected)} note={t.highest(count(s['connections.max']))}>
        <Sparkline values={series?.connections ?? []} />
      </Stat>
      <Stat name={t.sessions} value={short(sessions)} note={t.away(count(away))} />
      <Stat name={t.subscriptions} value={short(s['subscriptions.count'])} note={t.retainedAndTopics(short(s['retained.count']), short(s['topics.count']))} />
      <Stat name={t.received} value={perSecond('messages.received', series?.received_rate)} note={t.messagesInAll(short(now?.values['messages.received']))}>
        <Sparkline values={series?.received_rate ?? []} />
      </Stat>
      <Stat name={t.sent} value={perSecond('messages.sent', series?.sent_rate)} note={t.messagesInAll(short(now?.values['messages.sent']))}>
        <Sparkline values={series?.sent_rate ?? []} color={2} />
      </Stat>
      <Stat name={t.dropped} value={perSecond('delivery.dropped', series?.dropped_rate)} note={t.messagesInAll(short(now?.values['delivery.dropped']))}>
        <Sparkline values={series?.dropped_rate ?? []} color={3} />
      </Stat>
    </Grid>
  )
}
