import { parseSize } from '../../api/figures'
import { every, useGet } from '../../api/hooks'
import type { Node } from '../../api/types'
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
  const nodes = useGet<Node[]>('/nodes', { refresh: every.list })
  const columns: Column<Node>[] = [
    { id: 'node', head: t.node, sort: (n) => n.node, cell: (n) => <Link to={`/nodes/${encodeURIComponent(n.node)}`}>{n.node}</Link> },
    { id: 'status', head: t.status, cell: (n) => <State node={n} /> },
    { id: 'version', head: t.version, wideOnly: true, cell: (n) => n.version },
    { id: 'uptime', head: t.uptime, wideOnly: true, sort: (n) => parseUptime(n.uptime) ?? 0, cell: (n) => duration(parseUptime(n.uptime)) },
    { id: 'connected', head: t.connected, kind: 'number', sort: (n) => n.live_connections, cell: (n) => count(n.live_connections) },
    { id: 'memory', head: t.memory, kind: 'number', wideOnly: true, cell: (n) => `${bytes(parseSize(n.memory_used))} / ${bytes(parseSize(n.memory_total))}` },
    { id: 'load', head: t.load, kind: 'number', sort: (n) => Number(n.load1), cell: (n) => n.load1 },
  ]
  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <Loaded query={nodes}>{({ data }) => <Table caption={t.title} columns={columns} rows={data} rowKey={(n) => n.node} />}</Loaded>
      </Card>
    </Page>
  )
}

export function State({ node }: { node: Node }) {
  const t = useText(text)
  const runs = node.node_status === 'Running'
  return <Tag mood={runs ? 'good' : 'bad'}>{runs ? t.running : t.stopped}</Tag>
}
