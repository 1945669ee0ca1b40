import { useState } from 'react'
import { post } from '../../api/client'
import { useAct } from '../../api/hooks'
import { explain } from '../../api/text'
import { Button } from '../../components/Button'
import { Input, Select } from '../../components/Field'
import { Card, Facts } from '../../components/Page'
import { Tag } from '../../components/Small'
import { Table, type Column } from '../../components/Table'
import { none } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

type Action = 'publish' | 'subscribe'

interface Question {
  clientid: string
  username?: string
  peerhost?: string
  action: Action
  topic: string
}

interface Asked {
  by: string
  answer: 'ignore' | 'allow' | 'deny' | 'error'
  rule: string
  error: string
}

interface Answer {
  result: 'allow' | 'deny'
  by: string
  rule: string
  where: string
  asked: Asked[]
}

/** May this client publish there, and which rule says so? */
export function Test() {
  const t = useText(text)
  const [clientid, setClientID] = useState('')
  const [username, setUsername] = useState('')
  const [peerhost, setPeerhost] = useState('')
  const [action, setAction] = useState<Action>('publish')
  const [topic, setTopic] = useState('')
  const act = useAct(async (question: Question) => ({ question, ...(await post<Answer>('/acl/test', question)).data }), { quiet: true })
  const ask = () => act.mutate({ clientid, ...(username && { username }), ...(peerhost && { peerhost }), action, topic })
  return (
    <>
      <Card title={t.test}>
        <p className="muted">{t.testLead}</p>
        <form
          className="stack"
          onSubmit={(e) => {
            e.preventDefault()
            ask()
          }}
        >
          <div className="form-row">
            <Input label={t.clientid} value={clientid} onChange={setClientID} required />
            <Input label={t.username} value={username} onChange={setUsername} />
            <Input label={t.peerhost} value={peerhost} onChange={setPeerhost} placeholder="127.0.0.1" />
            <Select
              label={t.action}
              value={action}
              onChange={setAction}
              options={[
                ['publish', t.pub],
                ['subscribe', t.sub],
              ]}
            />
            <Input label={t.topic} value={topic} onChange={setTopic} required />
          </div>
          <div className="actions">
            <Button type="submit" look="primary" write busy={act.isPending}>
              {t.ask}
            </Button>
          </div>
        </form>
        {act.error && (
          <p className="form-error" role="alert">
            {explain(act.error)}
          </p>
        )}
      </Card>
      {act.data && <Verdict {...act.data} />}
    </>
  )
}

function Verdict({ question: q, result, by, rule, where, asked }: Answer & { question: Question }) {
  const t = useText(text)
  const action = q.action === 'publish' ? t.publishTo : t.subscribeTo
  const why = by === 'acl_nomatch' ? t.nobody : by === 'superuser' ? t.isSuperuser : by
  const columns: Column<Asked>[] = [
    { id: 'by', head: t.provider, cell: (a) => a.by },
    { id: 'answer', head: t.answer, cell: (a) => <Tag mood={a.answer === 'allow' ? 'good' : a.answer === 'ignore' ? 'plain' : 'bad'}>{a.answer}</Tag> },
    { id: 'rule', head: t.rule, cell: (a) => (a.error ? a.error : a.rule ? <code>{a.rule}</code> : none) },
  ]
  return (
    <>
      <Card title={t.result} actions={<Tag mood={result === 'allow' ? 'good' : 'bad'}>{t[result]}</Tag>}>
        <p role="status">{result === 'allow' ? t.may(q.clientid, action, q.topic) : t.mayNot(q.clientid, action, q.topic)}</p>
        <Facts items={[[t.decidedBy, why], !!rule && [t.rule, <code>{rule}</code>], !!where && [t.where, where]]} />
      </Card>
      <Card flush title={t.asked}>
        <Table caption={t.asked} columns={columns} rows={asked} rowKey={(a) => a.by} empty={why} />
      </Card>
    </>
  )
}
