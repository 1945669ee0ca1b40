import { useState } from 'react'
import { path, put } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Card, Grid, Page } from '../../components/Page'
import { Meter } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { count, percent } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { reasons, type Listener } from './listener'
import { text } from './text'

interface NodeListeners {
  node: string
  listeners: Listener[]
}

export default function Listeners() {
  const t = useText(text)
  const nodes = useGet<NodeListeners[]>('/listeners', { refresh: every.list })
  return (
    <Page title={t.title} lead={t.lead}>
      <Loaded query={nodes}>{({ data }) => data.map((n) => <Node key={n.node} {...n} />)}</Loaded>
    </Page>
  )
}

function Node({ node, listeners }: NodeListeners) {
  const t = useText(text)
  const [restarting, restart] = useState<string>()
  const columns: Column<Listener>[] = [
    { id: 'identifier', head: t.identifier, cell: (l) => l.identifier, sort: (l) => l.identifier },
    { id: 'protocol', head: t.protocol, cell: (l) => l.protocol, wideOnly: true },
    { id: 'address', head: t.address, cell: (l) => <code>{l.listen_on}</code> },
    {
      id: 'connections',
      head: t.connections,
      kind: 'number',
      cell: (l) => `${count(l.current_conns)} / ${count(l.max_conns)}`,
      sort: (l) => l.current_conns,
    },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (l) =>
        l.protocol.startsWith('mqtt:') && (
          <Button look="ghost" small write icon="refresh" aria-label={`${t.restart}: ${l.identifier}`} title={t.restart} onClick={() => restart(l.identifier)} />
        ),
    },
  ]
  const mqtt = listeners.filter((l) => reasons(l).length > 0)
  return (
    <>
      <Card flush title={node}>
        <Table caption={t.title} columns={columns} rows={listeners} rowKey={(l) => `${l.identifier} ${l.listen_on}`} />
      </Card>
      <h2>{t.ended}</h2>
      {mqtt.length === 0 && <Empty>{t.noneEnded}</Empty>}
      <Grid of="halves">
        {mqtt.map((l) => (
          <Ended key={l.identifier} listener={l} />
        ))}
      </Grid>
      {restarting !== undefined && (
        <Confirm
          title={t.restartTitle(restarting)}
          submit={t.restart}
          act={() => put(path`/nodes/${node}/listeners/${restarting}/restart`)}
          done={t.restarted}
          stale={['/listeners']}
          onClose={() => restart(undefined)}
        >
          {t.restartText}
        </Confirm>
      )}
    </>
  )
}

function Ended({ listener }: { listener: Listener }) {
  const all = reasons(listener)
  const sum = all.reduce((s, [, n]) => s + n, 0)
  return (
    <Card title={listener.identifier}>
      {all.map(([reason, n]) => (
        <Meter key={reason} name={reason} share={n / sum} plain>
          {count(n)} · {percent((n / sum) * 100)}
        </Meter>
      ))}
    </Card>
  )
}
