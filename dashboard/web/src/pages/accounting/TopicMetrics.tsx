import { useState } from 'react'
import { del, path, post } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { ActDialog, Confirm } from '../../components/Dialog'
import { Input } from '../../components/Field'
import { Card } from '../../components/Page'
import { Code } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { count, short } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Counted {
  topic: string
  metrics: Record<string, number>
}

export function TopicMetrics() {
  const t = useText(text)
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState<string>()
  const topics = useGet<Counted[]>('/topic-metrics', { refresh: every.live })
  const figure = (name: string, head: string): Column<Counted> => ({
    id: name,
    head,
    kind: 'number',
    sort: (r) => r.metrics[`messages.${name}.count`] ?? 0,
    cell: (r) => (
      <>
        {count(r.metrics[`messages.${name}.count`])}{' '}
        <span className="muted">
          {short(r.metrics[`messages.${name}.rate`])}
          {t.perSecond}
        </span>
      </>
    ),
  })
  const qos = (n: number): Column<Counted> => ({
    id: `qos${n}`,
    head: `QoS ${n}`,
    kind: 'number',
    wideOnly: true,
    cell: (r) => `${short(r.metrics[`messages.qos${n}.in.count`])} / ${short(r.metrics[`messages.qos${n}.out.count`])}`,
  })
  const columns: Column<Counted>[] = [
    { id: 'topic', head: t.topic, sort: (r) => r.topic, cell: (r) => <Code copy>{r.topic}</Code> },
    figure('in', t.in),
    figure('out', t.out),
    figure('dropped', t.droppedShort),
    qos(0),
    qos(1),
    qos(2),
    {
      id: 'do',
      head: '',
      kind: 'actions',
      cell: (r) => <Button small look="ghost" icon="trash" write title={t.remove} aria-label={`${t.remove}: ${r.topic}`} onClick={() => setRemoving(r.topic)} />,
    },
  ]
  const add = (
    <Button small icon="plus" write onClick={() => setAdding(true)}>
      {t.addTopic}
    </Button>
  )
  return (
    <Card flush title={t.topicLead} actions={add}>
      <Loaded query={topics}>
        {({ data }) => <Table caption={t.topicMetrics} rows={data} rowKey={(r) => r.topic} columns={columns} empty={<Empty icon="topics">{t.noTopics}</Empty>} />}
      </Loaded>
      {adding && <Add onClose={() => setAdding(false)} />}
      {removing !== undefined && <Remove topic={removing} onClose={() => setRemoving(undefined)} />}
    </Card>
  )
}

function Add({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  const [topic, setTopic] = useState('')
  return (
    <ActDialog title={t.addTopic} submit={t.add} act={() => post('/topic-metrics', { topic })} done={t.added} stale={['/topic-metrics']} onClose={onClose}>
      <Input label={t.topic} hint={t.topicHint} value={topic} onChange={setTopic} required autoFocus />
    </ActDialog>
  )
}

function Remove({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useText(text)
  return (
    <Confirm title={t.remove} submit={t.remove} act={() => del(path`/topic-metrics/${topic}`)} done={t.removed} stale={['/topic-metrics']} onClose={onClose}>
      {t.removeAsk(topic)}
    </Confirm>
  )
}
