import { parseSize } from '../../api/figures'
import { every, useGet } from '../../api/hooks'
import type { Member, Node } from '../../api/types'
import { Link } from '../../app/router'
import { Card, Page } from '../../components/Page'
import { Tag } from '../../components/Small'
import { Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { bytes, count, duration, parseUptime } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

/** The members of the cluster; each has a page of its own. */
export default function Nodes() {
  const t = useText(text)
  const nodes = useGet<Member[]>('/nodes', { refresh: every.list })
  const of = <V,>(n: Member, figure: (n: Node) => V) => (n.node_status === 'Running' ? figure(n) : undefined)
  const columns: Column<Member>[] = [
    { id: 'node', head: t.node, sort: (n) => n.node, cell: (n) => <Link to={`/nodes/${encodeURIComponent(n.node)}`}>{n.node}</Link> },
    { id: 'status', head: t.status, cell: (n) => <State node={n} /> },
    { id: 'version', head: t.version, wideOnly: true, cell: (n) => of(n, (r) => r.version) },
    { id: 'uptime', head: t.uptime, wideOnly: true, sort: (n) => of(n, (r) => parseUptime(r.uptime)) ?? 0, cell: (n) => of(n, (r) => duration(parseUptime(r.uptime))) },
    { id: 'connected', head: t.connected, kind: 'number', sort: (n) => of(n, (r) => r.live_connections) ?? 0, cell: (n) => of(n, (r) => count(r.live_connections)) },
    { id: 'memory', head: t.memory, kind: 'number', wideOnly: true, cell: (n) => of(n, (r) => `${bytes(parseSize(r.memory_used))} / ${bytes(parseSize(r.memory_total))}`) },
    { id: 'load', head: t.load, kind: 'number', sort: (n) => Number(of(n, (r) => r.load1) ?? 0), cell: (n) => of(n, (r) => r.load1) },
  ]
  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <Loaded query={nodes}>{({ data }) => <Table caption={t.title} columns={columns} rows={data} rowKey={(n) => n.node} />}</Loaded>
      </Card>
    </Page>
  )
}

export function State({ node }: { node: Member }) {
  const t = useText(text)
  const runs = node.node_status === 'Running'
  return <Tag mood={runs ? 'good' : 'bad'}>{runs ? t.running : t.stopped}</Tag>
}
