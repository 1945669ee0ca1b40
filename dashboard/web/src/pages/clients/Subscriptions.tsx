import { useState } from 'react'
import { path, post } from '../../api/client'
import { every, useAct, useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { ActDialog } from '../../components/Dialog'
import { Input, Select } from '../../components/Field'
import { Card } from '../../components/Page'
import { Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Row {
  topic: string
  qos: number
}

export function Subscriptions({ client }: { client: string }) {
  const t = useText(text)
  const list = useGet<Row[]>(path`/subscriptions/${client}`, { refresh: every.list })
  const [adding, add] = useState(false)
  const remove = useAct((topic: string) => post('/mqtt/unsubscribe', { clientid: client, topic }), { done: t.removed, stale: ['/subscriptions', '/clients'] })
  const columns: Column<Row>[] = [
    { id: 'topic', head: t.filter, cell: (s) => <code>{s.topic}</code>, sort: (s) => s.topic },
    { id: 'qos', head: t.qos, kind: 'number', cell: (s) => s.qos, sort: (s) => s.qos },
    {
      id: 'remove',
      head: '',
      kind: 'actions',
      cell: (s) => (
        <Button look="ghost" small write icon="trash" aria-label={`${t.remove}: ${s.topic}`} title={t.remove} onClick={() => remove.mutate(s.topic)} />
      ),
    },
  ]
  return (
    <Card
      flush
      title={t.subscriptions}
      actions={
        <Button write icon="plus" onClick={() => add(true)}>
          {t.add}
        </Button>
      }
    >
      <Loaded query={list}>
        {({ data }) => <Table caption={t.subscriptions} columns={columns} rows={data} rowKey={(s) => s.topic} empty={t.noSubscriptions} />}
      </Loaded>
      {adding && <SubscribeFor client={client} onClose={() => add(false)} />}
    </Card>
  )
}

function SubscribeFor({ client, onClose }: { client: string; onClose: () => void }) {
  const t = useText(text)
  const [topic, setTopic] = useState('')
  const [qos, setQoS] = useState<'0' | '1' | '2'>('1')
  const act = () => post('/mqtt/subscribe', { clientid: client, topic, qos: Number(qos) })
  return (
    <ActDialog title={t.add} submit={t.add} act={act} done={t.added} stale={['/subscriptions', '/clients']} onClose={onClose}>
      <Input label={t.filter} value={topic} onChange={setTopic} required autoFocus hint={t.addHint} placeholder="site/+/temperature" />
      <Select
        label={t.qos}
        value={qos}
        onChange={setQoS}
        options={[
          ['0', '0'],
          ['1', '1'],
          ['2', '2'],
        ]}
      />
    </ActDialog>
  )
}
