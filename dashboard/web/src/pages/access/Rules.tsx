import { useState } from 'react'
import { del, path, post } from '../../api/client'
import { every } from '../../api/hooks'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { ActDialog, Confirm } from '../../components/Dialog'
import { Input, Search, Select } from '../../components/Field'
import { Card } from '../../components/Page'
import { Tag } from '../../components/Small'
import { ServerTable, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { text } from './text'

const subjects = ['username', 'clientid', 'all'] as const
type Subject = (typeof subjects)[number]
type Action = 'pub' | 'sub' | 'pubsub'

interface Row {
  clientid?: string
  username?: string
  topic: string
  action: Action
  access: 'allow' | 'deny'
}

const routes: Record<Subject, string> = { username: '/acl/username', clientid: '/acl/clientid', all: '/acl/$all' }

function routeOf(subject: Subject, rule: Row): string {
  const topic = path`/topic/${rule.topic}`
  return subject === 'all' ? routes.all + topic : routes[subject] + path`/${rule[subject] ?? ''}` + topic
}

/** The built-in ACL rules. */
export function Rules() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [adding, add] = useState(false)
  const [removing, remove] = useState<Row>()
  const subject = subjects.find((s) => s === params.get('for')) ?? 'username'
  const like = subject === 'all' ? '' : (params.get('like') ?? '')
  const names: Record<Subject, string> = { username: t.username, clientid: t.clientid, all: t.everybody }

  const columns: Column<Row>[] = [
    { id: 'subject', head: t.ruleFor, cell: (r) => (subject === 'all' ? t.everybody : r[subject]) },
    { id: 'topic', head: t.topicFilter, cell: (r) => <code>{r.topic}</code> },
    { id: 'action', head: t.action, cell: (r) => t[r.action] },
    { id: 'access', head: t.access, cell: (r) => <Tag mood={r.access === 'allow' ? 'good' : 'bad'}>{t[r.access]}</Tag> },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (r) => <Button look="ghost" small write icon="trash" title={t.remove} aria-label={`${t.remove}: ${r.topic}`} onClick={() => remove(r)} />,
    },
  ]
  return (
    <Card flush>
      <div className="toolbar">
        <select aria-label={t.which} value={subject} onChange={(e) => setParams({ for: e.target.value, like: undefined, page: undefined })}>
          {subjects.map((s) => (
            <option key={s} value={s}>
              {names[s]}
            </option>
          ))}
        </select>
        {subject !== 'all' && <Search label={t.contains(names[subject])} value={like} onChange={(v) => setParams({ like: v, page: undefined })} />}
        <Button write icon="plus" onClick={() => add(true)}>
          {t.addRule}
        </Button>
      </div>
      <ServerTable
        key={subject}
        route={routes[subject]}
        query={like ? { [`_like_${subject}`]: like } : {}}
        refresh={every.slow}
        caption={t.rules}
        columns={columns}
        rowKey={(r) => `${r.clientid ?? r.username} ${r.topic} ${r.action} ${r.access}`}
        empty={t.noRules}
      />
      {adding && <Add subject={subject} onClose={() => add(false)} />}
      {removing && (
        <Confirm title={t.removeRule} submit={t.remove} act={() => del(routeOf(subject, removing))} done={t.removed} stale={['/acl']} onClose={() => remove(undefined)}>
          {t.removeRuleText(removing.topic)}
        </Confirm>
      )}
    </Card>
  )
}

function Add({ subject: first, onClose }: { subject: Subject; onClose: () => void }) {
  const t = useText(text)
  const [subject, setSubject] = useState(first)
  const [name, setName] = useState('')
  const [topic, setTopic] = useState('')
  const [action, setAction] = useState<Action>('pubsub')
  const [access, setAccess] = useState<'allow' | 'deny'>('allow')
  const act = () => post('/acl', { ...(subject !== 'all' && { [subject]: name }), topic, action, access })
  return (
    <ActDialog title={t.addRule} submit={t.add} act={act} done={t.saved} stale={['/acl']} onClose={onClose}>
      <Select
        label={t.ruleFor}
        value={subject}
        onChange={setSubject}
        options={[
          ['username', t.username],
          ['clientid', t.clientid],
          ['all', t.everybody],
        ]}
      />
      {subject !== 'all' && <Input label={t[subject]} value={name} onChange={setName} required autoFocus />}
      <Input label={t.topicFilter} value={topic} onChange={setTopic} required hint={t.topicHint} placeholder="devices/%c/#" />
      <Select
        label={t.action}
        value={action}
        onChange={setAction}
        options={[
          ['pubsub', t.pubsub],
          ['pub', t.pub],
          ['sub', t.sub],
        ]}
      />
      <Select
        label={t.access}
        value={access}
        onChange={setAccess}
        options={[
          ['allow', t.allow],
          ['deny', t.deny],
        ]}
      />
    </ActDialog>
  )
}
