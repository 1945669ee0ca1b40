import { useState } from 'react'
import { del } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { Link } from '../../app/router'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Card } from '../../components/Page'
import { Code, Time } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { milliseconds } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface SlowSubscriber {
  clientid: string
  node: string
  topic: string
  /** Milliseconds. */
  timespan: number
  /** Unix milliseconds. */
  last_update_time: number
}

export function Slow() {
  const t = useText(text)
  const [clearing, setClearing] = useState(false)
  const slow = useGet<SlowSubscriber[]>('/slow_subscriptions', { refresh: every.list })
  const off = slow.error?.message === 'module_not_loaded'
  const columns: Column<SlowSubscriber>[] = [
    { id: 'client', head: t.client, sort: (r) => r.clientid, cell: (r) => <Link to={`/clients/${encodeURIComponent(r.clientid)}`}>{r.clientid}</Link> },
    { id: 'topic', head: t.topic, sort: (r) => r.topic, cell: (r) => <Code>{r.topic}</Code> },
    { id: 'time', head: t.time, kind: 'number', sort: (r) => r.timespan, cell: (r) => milliseconds(r.timespan) },
    { id: 'updated', head: t.updated, wideOnly: true, sort: (r) => r.last_update_time, cell: (r) => <Time ms={r.last_update_time} /> },
    { id: 'node', head: t.node, wideOnly: true, cell: (r) => r.node },
  ]
  return (
    <Card
      flush
      title={t.slow}
      actions={
        <Button small icon="trash" write disabled={!slow.data?.data.length} onClick={() => setClearing(true)}>
          {t.clear}
        </Button>
      }
    >
      {off ? (
        <Empty icon="plugins">{t.slowOff}</Empty>
      ) : (
        <Loaded query={slow}>
          {({ data }) => <Table caption={t.slowLead} rows={data} rowKey={(r) => `${r.clientid} ${r.topic}`} columns={columns} empty={<Empty icon="check">{t.noSlow}</Empty>} />}
        </Loaded>
      )}
      {clearing && (
        <Confirm title={t.slow} submit={t.clear} act={() => del('/slow_subscriptions')} done={t.cleared} stale={['/slow_subscriptions']} onClose={() => setClearing(false)}>
          {t.clearSlowAsk}
        </Confirm>
      )}
    </Card>
  )
}
