import { del, path } from '../../api/client'
import { every, useAct, useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { Card } from '../../components/Page'
import { Tag, Time } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import type { Client } from '../../api/clients'
import { text } from './text'

interface Row {
  access: 'publish' | 'subscribe'
  topic: string
  result: 'allow' | 'deny'
  updated_time: number
}

/** What backends have said about the client's topics; only a connection has such answers. */
export function Rules({ client: { clientid, connected } }: { client: Client }) {
  const t = useText(text)
  const route = path`/clients/${clientid}/acl_cache`
  const list = useGet<Row[]>(route, { refresh: every.list, enabled: connected })
  const drain = useAct(() => del(route), { done: t.drained, stale: [route] })
  const columns: Column<Row>[] = [
    { id: 'action', head: t.action, cell: (r) => r.access },
    { id: 'topic', head: t.topic, cell: (r) => <code>{r.topic}</code>, sort: (r) => r.topic },
    { id: 'result', head: t.result, cell: (r) => <Tag mood={r.result === 'allow' ? 'good' : 'bad'}>{r.result}</Tag> },
    { id: 'age', head: t.age, cell: (r) => <Time ms={r.updated_time} /> },
  ]
  return (
    <Card
      flush
      title={t.rules}
      actions={
        connected && (
          <Button write busy={drain.isPending} onClick={() => drain.mutate(undefined)}>
            {t.drain}
          </Button>
        )
      }
    >
      {connected ? (
        <Loaded query={list}>
          {({ data }) => <Table caption={t.rules} columns={columns} rows={data} rowKey={(r) => `${r.access} ${r.topic}`} empty={t.noRules} />}
        </Loaded>
      ) : (
        <Empty>{t.noRules}</Empty>
      )}
    </Card>
  )
}
