import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { get, path } from '../../api/client'
import { explain } from '../../api/text'
import { Button } from '../../components/Button'
import { NodeSwitch } from '../../components/NodeSwitch'
import { Card } from '../../components/Page'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Part {
  meta: { position: number; bytes: number }
  items: string
}

const step = 64 << 10 // bytes asked for at a time
const most = 400_000 // characters shown

/** The file of a trace as it grows. */
export function Log({ name, nodes, onClose }: { name: string; nodes: string[]; onClose: () => void }) {
  const t = useText(text)
  const [shown, show] = useState('')
  const [cut, setCut] = useState(false)
  const [error, setError] = useState<unknown>()
  const [node, setNode] = useState(nodes[0] ?? '')
  const read = (of: string) => {
    setNode(of)
    show('')
    setCut(false)
  }
  const box = useRef<HTMLPreElement>(null)

  useEffect(() => {
    const abort = new AbortController()
    void follow(name, node, abort.signal, setError, (more) =>
      show((all) => {
        const next = all + more
        if (next.length <= most) return next
        setCut(true)
        return next.slice(next.indexOf('\n', next.length - most) + 1)
      }),
    )
    return () => abort.abort()
  }, [name, node])
  useLayoutEffect(() => {
    const el = box.current
    // Whoever has scrolled up reads, and is left where they are.
    if (el && el.scrollHeight - el.scrollTop - el.clientHeight < 200) el.scrollTop = el.scrollHeight
  })

  return (
    <Card title={name} actions={
        <>
          <NodeSwitch nodes={nodes} value={node} onChange={read} each />
          <Button look="ghost" icon="close" aria-label={t.stop} onClick={onClose} />
        </>
      }>
      {error !== undefined && (
        <p className="form-error" role="alert">
          {explain(error)}
        </p>
      )}
      {cut && <p className="muted">{t.cut}</p>}
      <pre ref={box} className="log" aria-label={name}>
        {shown || t.empty}
      </pre>
      <p className="muted">{t.end}</p>
    </Card>
  )
}

/** Reads the file part by part, then what is added to it, until it is told to end. */
async function follow(name: string, node: string, signal: AbortSignal, fail: (e: unknown) => void, add: (more: string) => void) {
  let position = 0
  while (!signal.aborted) {
    let came = false
    try {
      const { meta, items } = (await get<Part>(path`/trace/${name}/log`, { node, position, bytes: step }, signal)).data
      came = items !== ''
      if (came) {
        position = meta.position
        add(items)
      }
      fail(undefined)
    } catch (e) {
      if (signal.aborted) return
      fail(e)
    }
    if (!came) await new Promise((done) => setTimeout(done, 2000))
  }
}
