import { del, post } from '../../api/client'
import { every, useAct, useGet } from '../../api/hooks'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { Card, Page, Tabs } from '../../components/Page'
import { Time } from '../../components/Small'
import { Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { duration, none } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Alarm {
  name: string
  message: string
  details: Record<string, unknown>
  /** Unix microseconds. */
  activate_at: number
  deactivate_at: number | 'infinity'
}

interface NodeAlarms {
  node: string
  alarms: Alarm[]
}

type Row = Alarm & { node: string }

export default function Alarms() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const past = params.get('tab') === 'history'
  return (
    <Page title={t.title} lead={t.lead}>
      <Tabs
        label={t.title}
        value={past ? 'history' : 'active'}
        options={[
          ['active', t.active],
          ['history', t.history],
        ]}
        onChange={(tab) => setParams({ tab: tab === 'history' ? tab : undefined })}
      />
      {past ? <History /> : <Active />}
    </Page>
  )
}

const rows = (nodes: NodeAlarms[]): Row[] => nodes.flatMap(({ node, alarms }) => alarms.map((a) => ({ ...a, node })))
const key = (a: Row) => `${a.node} ${a.name} ${a.activate_at}`

function useColumns(more: Column<Row>[]): Column<Row>[] {
  const t = useText(text)
  return [
    { id: 'name', head: t.name, cell: (a) => a.name, sort: (a) => a.name },
    { id: 'message', head: t.message, cell: (a) => <span title={Object.keys(a.details).length > 0 ? JSON.stringify(a.details) : undefined}>{a.message}</span> },
    { id: 'node', head: t.node, cell: (a) => a.node, wideOnly: true },
    { id: 'since', head: t.since, cell: (a) => <Time ms={a.activate_at / 1000} />, sort: (a) => a.activate_at, wideOnly: true },
    ...more,
  ]
}

function Active() {
  const t = useText(text)
  const list = useGet<NodeAlarms[]>('/alarms/activated', { refresh: every.live })
  const clear = useAct(({ node, name }: Row) => post('/alarms/deactivated', { node, name }), { done: t.cleared, stale: ['/alarms'] })
  const columns = useColumns([
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (a) => (
        <Button look="ghost" small write aria-label={`${t.clear}: ${a.name}`} onClick={() => clear.mutate(a)}>
          {t.clear}
        </Button>
      ),
    },
  ])
  return (
    <Card flush>
      <Loaded query={list}>{({ data }) => <Table caption={t.active} columns={columns} rows={rows(data)} rowKey={key} empty={t.none} />}</Loaded>
    </Card>
  )
}

function History() {
  const t = useText(text)
  const list = useGet<NodeAlarms[]>('/alarms/deactivated', { refresh: every.list })
  const forget = useAct(() => del('/alarms/deactivated'), { done: t.forgotten, stale: ['/alarms'] })
  const columns = useColumns([
    { id: 'lasted', head: t.lasted, cell: (a) => (a.deactivate_at === 'infinity' ? none : duration((a.deactivate_at - a.activate_at) / 1e6)), wideOnly: true },
    { id: 'until', head: t.until, cell: (a) => (a.deactivate_at === 'infinity' ? none : <Time ms={a.deactivate_at / 1000} />) },
  ])
  return (
    <Loaded query={list}>
      {({ data }) => (
        <Card
          flush
          title={t.history}
          actions={
            rows(data).length > 0 && (
              <Button small write busy={forget.isPending} onClick={() => forget.mutate(undefined)}>
                {t.forget}
              </Button>
            )
          }
        >
          <Table caption={t.history} columns={columns} rows={rows(data).toReversed()} rowKey={key} empty={t.noHistory} />
        </Card>
      )}
    </Loaded>
  )
}
