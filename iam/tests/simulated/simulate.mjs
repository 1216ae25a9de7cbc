// Writes cases.jsonl: random policies and requests with what another evaluator of IAM says of them, the npm package
// @cloud-copilot/iam-simulate. It is run as it is and nothing of it is in here.
//
//     npm install @cloud-copilot/iam-simulate@0.1.173
//     node simulate.mjs > cases.jsonl
//
// The first line names the evaluator. Lines `{"s":…}` are statements and `{"r":…}` requests, numbered from 0 as they come.
// The others are cases: numbers of the identity's statements, of the boundary's (null: none), of each level's of the
// organisation, of the request, and what is said: A allowed, I nothing allows, D denied.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const SEED = 12
const STATEMENTS = 420
const REQUESTS = 160
const CASES = 4400
const ACCOUNT = '111122223333'
const PRINCIPAL = `arn:aws:iam::${ACCOUNT}:user/mia`

// mulberry32: 32 bits of state, the same sequence everywhere.
let state = SEED
function random() {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = (n) => Math.floor(random() * n)
const chance = (p) => random() < p
const pick = (all) => all[below(all.length)]
const some = (all, most) => Array.from({ length: 1 + below(most) }, () => pick(all))
const oneOrMany = (all) => (all.length === 1 && chance(0.5) ? all[0] : [...new Set(all)])

const TARGETS = [
  ['s3:GetObject', ['arn:aws:s3:::logs/a', 'arn:aws:s3:::logs/mia/b', 'arn:aws:s3:::Logs/a', 'arn:aws:s3:::data/2026/x']],
  ['s3:PutObject', ['arn:aws:s3:::logs/a', 'arn:aws:s3:::data/mia/x', 'arn:aws:s3:::data/red/x']],
  ['s3:DeleteObject', ['arn:aws:s3:::logs/a', 'arn:aws:s3:::data/2026/x']],
  ['s3:ListBucket', ['arn:aws:s3:::logs', 'arn:aws:s3:::data']],
  ['sqs:SendMessage', [`arn:aws:sqs:eu-west-1:${ACCOUNT}:jobs`, `arn:aws:sqs:us-east-1:${ACCOUNT}:jobs-mia`]],
  ['dynamodb:GetItem', [`arn:aws:dynamodb:eu-west-1:${ACCOUNT}:table/users`]],
  ['lambda:InvokeFunction', [`arn:aws:lambda:eu-west-1:${ACCOUNT}:function:resize`]],
  ['logs:CreateLogGroup', [`arn:aws:logs:eu-west-1:${ACCOUNT}:log-group:web`]],
]
const ACTIONS = [
  '*', '*', 's3:*', 's3:Get*', 'S3:getobject', 's3:*Object', 's3:?utObject', 's3:ListBucket', 's3:PutObject', 'sqs:*',
  'sqs:SendMessage', 'dynamodb:*Item', 'dynamodb:GetItem', 'lambda:Invoke*', 'logs:*', 'logs:CreateLogGroup', 'ec2:*',
]
const RESOURCES = [
  '*', '*', '*', 'arn:aws:s3:::*', 'arn:aws:s3:::logs/*', 'arn:aws:s3:::logs', 'arn:aws:s3:::data/????/*', 'arn:aws:s3:::*/a',
  'arn:aws:s3:::*/${aws:username}/*', 'arn:aws:s3:::data/${aws:PrincipalTag/team}/*', 'arn:aws:s3:::data/${aws:PrincipalTag/team, \'red\'}/*',
  `arn:aws:sqs:*:${ACCOUNT}:jobs*`, `arn:aws:sqs:eu-*:*:jobs`, `arn:aws:dynamodb:*:*:table/*`, `arn:aws:lambda:*:*:function:*`,
  'arn:*:logs:*:*:*', 'arn:aws:*:eu-west-1:*:*', 'arn:aws:s3:::logs/${*}', 'arn:aws:s3:::L*/a',
]
const TEXT_KEYS = {
  'aws:PrincipalTag/team': ['red', 'Red', 'blue', 'r*', '?ed', '${aws:username}'],
  'aws:username': ['mia', 'Mia', 'tom', 'm*', 'm?a'],
  'aws:RequestedRegion': ['eu-west-1', 'us-east-1', 'eu-*'],
  'aws:SourceVpce': ['vpce-1', 'vpce-*'],
  's3:prefix': ['home/', 'home/${aws:username}/*', 'home/*'],
  'aws:TagKeys': ['team', 'cost', 'Cost', 'c*'],
  'aws:PrincipalOrgPaths': ['o-a/r-a/ou-1/', 'o-a/r-a/*', 'o-a/*/ou-2/'],
}
const SETS = ['aws:TagKeys', 'aws:PrincipalOrgPaths']
const TEXTS = ['StringEquals', 'StringNotEquals', 'StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase', 'StringLike', 'StringNotLike']
const ORDERS = ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals']
const IF_EXISTS = ['', '', 'IfExists']

function condition() {
  switch (below(7)) {
    case 0:
      return [pick(['IpAddress', 'NotIpAddress']) + pick(IF_EXISTS), 'aws:SourceIp', some(['10.0.0.0/8', '203.0.113.7', '203.0.113.0/24', '2001:db8::/32'], 2)]
    case 1:
      return ['Numeric' + pick(ORDERS) + pick(IF_EXISTS), 'aws:MultiFactorAuthAge', some(['300', '3600'], 2)]
    case 2:
      return ['Date' + pick(ORDERS) + pick(IF_EXISTS), 'aws:CurrentTime', some(['2026-03-01T00:00:00Z', '2026-06-01T00:00:00Z'], 1)]
    case 3:
      return ['Bool' + pick(IF_EXISTS), pick(['aws:MultiFactorAuthPresent', 'aws:SecureTransport']), [pick(['true', 'false'])]]
    case 4:
      return ['Null', pick([...Object.keys(TEXT_KEYS), 'aws:SourceIp', 'aws:MultiFactorAuthAge']), [pick(['true', 'false'])]]
    case 5:
      return [pick(['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike']) + pick(IF_EXISTS), 'aws:PrincipalArn',
        some([PRINCIPAL, `arn:aws:iam::${ACCOUNT}:user/*`, 'arn:aws:iam::*:role/*', 'arn:*:iam::*:user/m?a', 'arn:aws:iam::${aws:PrincipalAccount}:user/tom'], 2)]
    default: {
      const key = pick(Object.keys(TEXT_KEYS))
      const set = SETS.includes(key) ? pick(['ForAllValues:', 'ForAnyValue:']) : ''
      return [set + pick(TEXTS) + pick(IF_EXISTS), key, some(TEXT_KEYS[key], 2)]
    }
  }
}

function statement() {
  const made = { Effect: chance(0.68) ? 'Allow' : 'Deny' }
  made[chance(0.1) ? 'NotAction' : 'Action'] = oneOrMany(some(ACTIONS, 3))
  made[chance(0.1) ? 'NotResource' : 'Resource'] = oneOrMany(some(RESOURCES, 3))
  if (chance(made.Effect === 'Deny' ? 0.75 : 0.55)) {
    made.Condition = {}
    for (let i = chance(0.3) ? 2 : 1; i > 0; i--) {
      const [operator, key, values] = condition()
      made.Condition[operator] = { ...made.Condition[operator], [key]: oneOrMany(values) }
    }
  }
  return made
}

function request() {
  const [action, resources] = pick(TARGETS)
  const context = { 'aws:username': 'mia', 'aws:PrincipalArn': PRINCIPAL, 'aws:PrincipalAccount': ACCOUNT }
  const maybe = (key, values) => chance(0.6) && (context[key] = pick(values))
  maybe('aws:SourceIp', ['10.1.2.3', '203.0.113.7', '203.0.113.8', '192.0.2.1', '2001:db8::1'])
  maybe('aws:MultiFactorAuthAge', ['300', '1000', '3600'])
  maybe('aws:MultiFactorAuthPresent', ['true', 'false'])
  maybe('aws:SecureTransport', ['true', 'false'])
  maybe('aws:CurrentTime', ['2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z', '2026-07-01T12:00:00Z'])
  maybe('aws:PrincipalTag/team', ['red', 'Red', 'blue', 'mia'])
  maybe('aws:RequestedRegion', ['eu-west-1', 'us-east-1'])
  maybe('aws:SourceVpce', ['vpce-1', 'vpce-2'])
  maybe('aws:TagKeys', [['team'], ['team', 'cost'], ['Cost'], ['cost', 'colour']])
  maybe('aws:PrincipalOrgPaths', [['o-a/r-a/ou-1/'], ['o-b/r-b/'], ['o-a/r-a/ou-1/', 'o-a/r-a/ou-2/']])
  if (action === 's3:ListBucket') maybe('s3:prefix', ['home/', 'home/mia/x', 'home/tom/x'])
  return { a: action, r: pick(resources), c: context }
}

// The first allows all: without it in most layers nearly everything is denied.
const ALL = { Effect: 'Allow', Action: '*', Resource: '*' }
const statements = [ALL, ...Array.from({ length: STATEMENTS - 1 }, statement)]
const requests = Array.from({ length: REQUESTS }, request)
const documentOf = (ids) => ({ Version: '2012-10-17', Statement: ids.map((id) => statements[id]) })
const choose = (most) => Array.from({ length: 1 + below(most) }, () => below(STATEMENTS))

async function simulate(identity, boundary, levels, { a, r, c }) {
  const found = await runSimulation({
    request: { principal: PRINCIPAL, action: a, resource: { resource: r, accountId: ACCOUNT }, contextVariables: c },
    identityPolicies: [{ name: 'identity', policy: documentOf(identity) }],
    permissionBoundaryPolicies: boundary ? [{ name: 'boundary', policy: documentOf(boundary) }] : undefined,
    serviceControlPolicies: levels.map((ids, level) => ({
      orgIdentifier: `level-${level}`, policies: [{ name: `level-${level}`, policy: documentOf(ids) }],
    })),
    resourceControlPolicies: [],
  }, {})
  if (found.resultType === 'error') throw new Error(JSON.stringify(found.errors))
  return found
}

// What the evaluator does not look at for an action is not in the request.
for (const made of requests) {
  const found = await simulate([0], null, [], made)
  for (const key of found.result.ignoredContextKeys ?? []) {
    for (const own of Object.keys(made.c)) if (own.toLowerCase() === key.toLowerCase()) delete made.c[own]
  }
}

const root = dirname(createRequire(join(process.cwd(), 'x.js')).resolve('@cloud-copilot/iam-simulate')).split('/dist')[0]
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const lines = [{ evaluator: name, version, seed: SEED }, ...statements.map((s) => ({ s })), ...requests.map((r) => ({ r }))]
const SAID = { Allowed: 'A', ImplicitlyDenied: 'I', ExplicitlyDenied: 'D' }
for (let i = 0; i < CASES; i++) {
  const layer = (most) => (chance(0.5) ? [0, ...choose(most - 1)] : choose(most))
  const identity = layer(5)
  const boundary = chance(0.25) ? layer(3) : null
  const levels = chance(0.25) ? Array.from({ length: 1 + below(2) }, () => layer(3)) : []
  const asked = below(REQUESTS)
  const { overallResult } = await simulate(identity, boundary, levels, requests[asked])
  lines.push([identity, boundary, levels, asked, SAID[overallResult]])
}
process.stdout.write(lines.map((line) => JSON.stringify(line)).join('\n') + '\n')
