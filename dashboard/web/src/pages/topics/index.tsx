import { path } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { Link, useParams } from '../../app/router'
import { Search } from '../../components/Field'
import { Card, Page } from '../../components/Page'
import { Loaded } from '../../components/States'
import { ServerTable, Table, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Row {
  topic: string
  node: string
}

export default function Topics() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const wanted = params.get('topic') ?? ''
  const columns: Column<Row>[] = [
    { id: 'topic', head: t.filter, cell: (r) => <code>{r.topic}</code> },
    { id: 'node', head: t.node, cell: (r) => r.node, wideOnly: true },
    { id: 'who', head: t.who, kind: 'actions', cell: (r) => <Link to={`/subscriptions?${new URLSearchParams({ topic: r.topic })}`}>{t.who}</Link> },
  ]
  const table = { caption: t.title, columns, rowKey: (r: Row) => `${r.topic} ${r.node}` }
  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <div className="toolbar">
          <Search label={t.search} value={wanted} onChange={(v) => setParams({ topic: v, page: undefined })} />
        </div>
        {wanted ? <One topic={wanted} {...table} /> : <ServerTable route="/routes" refresh={every.list} empty={t.nobody} {...table} />}
      </Card>
    </Page>
  )
}

function One({ topic, ...table }: { topic: string; caption: string; columns: Column<Row>[]; rowKey: (r: Row) => string }) {
  const t = useText(text)
  const found = useGet<Row[]>(path`/routes/${topic}`, { refresh: every.list })
  return <Loaded query={found}>{({ data }) => <Table rows={data} empty={t.none} {...table} />}</Loaded>
}
