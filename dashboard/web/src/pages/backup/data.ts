import { call, get, path, type Query } from '../../api/client'

export interface ExportFile {
  filename: string
  /** Bytes. */
  size: number
  /** The node's local time, "2020-9-4 10:24:16". */
  created_at: string
  node: string
}

/** What is imported: a file on the node, or one that the browser has. */
export interface Source {
  name: string
  content?: Blob
}

export interface Report {
  version: string
  date: string
  dry_run: boolean
  parts: { name: string; added: number; unchanged: number; replaced: number; replaced_names: string[] }[]
  problems: { at: string; name: string; reason: string }[]
  skipped: number
  not_imported: { part: string; count: number; reason: string }[]
  notes: string[]
}

/** Whose names the accounts of an export before 4.3 are; '' is what the export says. */
export type Logins = '' | 'username' | 'clientid'

/** Imports, or says what an import would do. */
export async function importFrom(source: Source, logins: Logins, dryRun: boolean): Promise<Report> {
  const query: Query = { dry_run: dryRun, env: logins && JSON.stringify({ 'auth.mnesia.as': logins }) }
  const options = source.content ? { query, body: source.content } : { query: { ...query, filename: source.name } }
  return (await call<Report>('POST', '/data/import', options)).data
}

/** Gives a file of the node to the browser to keep. */
export async function download(filename: string): Promise<void> {
  const { data } = await get<{ file: string }>(path`/data/file/${filename}`)
  const url = URL.createObjectURL(new Blob([data.file], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = filename
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000) // the browser has begun by then
}
