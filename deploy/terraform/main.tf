# The queue, its dead-letter queue, the three paths, and what may be done with them: the same as cloudformation.yaml,
# where the reasons for figures stand too. Use:
#
#   module "trailhound" {
#     source            = "…/deploy/terraform"
#     trail_bucket_name = "our-trail"
#     notification_path = "sns"
#     trail_topic_arn   = "arn:aws:sns:…"
#     image             = "…@sha256:…"
#     vpc_id            = "vpc-…"
#     subnet_ids        = ["subnet-…", "subnet-…"]
#   }

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account        = data.aws_caller_identity.this.account_id
  partition      = data.aws_partition.this.partition
  region         = data.aws_region.this.region
  suffix         = data.aws_partition.this.dns_suffix
  trail_account  = var.trail_account_id == "" ? local.account : var.trail_account_id
  trail_bucket   = "arn:${local.partition}:s3:::${var.trail_bucket_name}"
  trails         = "arn:${local.partition}:cloudtrail:*:${local.trail_account}:trail/*"
  by_sns         = var.notification_path == "sns"
  by_eventbridge = var.notification_path == "eventbridge"
  create_topic   = local.by_sns && var.trail_topic_arn == ""
  topic          = local.create_topic ? aws_sns_topic.this[0].arn : var.trail_topic_arn
  rule           = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-objects"
  serves         = var.ledger != "none"
  on_postgres    = var.ledger == "postgres"
  on_efs         = var.ledger == "efs"

  # The one sender of the chosen path, and only on behalf of this bucket, topic or rule.
  sender = {
    s3          = { service = "s3.amazonaws.com", arn = local.trail_bucket }
    sns         = { service = "sns.amazonaws.com", arn = local.topic }
    eventbridge = { service = "events.amazonaws.com", arn = local.rule }
  }[var.notification_path]
}

# ------------------------------------------------------------------ one key for what the module keeps

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:The policy of a key: its resource is the key, and the account's IAM must be able to manage it
  # checkov:skip=CKV_AWS_111:The policy of a key: its resource is the key
  # checkov:skip=CKV_AWS_356:The policy of a key: its resource is the key
  # IAM policies of this account decide, or else nobody could ever change the key again.
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }
  # The log group writes through the log service, which must be allowed by the key itself.
  statement {
    sid       = "LogService"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/trailhound/${var.name}"]
    }
  }
  # Who publishes to an encrypted topic needs its key: S3, or CloudTrail where the trail names the topic.
  statement {
    sid       = "PublishersOfTheTopic"
    actions   = ["kms:GenerateDataKey*", "kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com", "cloudtrail.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.trail_account]
    }
  }
}

resource "aws_kms_key" "this" {
  description         = "${var.name}: Trailhound's table, ledger, secrets, topic and log"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

# ------------------------------------------------------------------ queue

resource "aws_sqs_queue" "this" {
  name = var.name
  # The queue's own encryption: S3 may send to it without any key's policy, and a message holds only names.
  sqs_managed_sse_enabled    = true
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 300
  # Ten days, four fewer than the dead-letter queue's: a message keeps its first day when it moves there.
  message_retention_seconds = 864000
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.name}-dead-letter"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

data "aws_iam_policy_document" "queue" {
  # Nobody may speak to the queue in clear text.
  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.this.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  # The one sender of the chosen path.
  statement {
    sid       = "Sender"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.this.arn]
    principals {
      type        = "Service"
      identifiers = [local.sender.service]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.sender.arn]
    }
    # A bucket's name does not tell its account.
    dynamic "condition" {
      for_each = var.notification_path == "s3" ? [local.trail_account] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy    = data.aws_iam_policy_document.queue.json
}

data "aws_iam_policy_document" "dead_letter" {
  # Nobody may speak to the queue in clear text.
  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.dead_letter.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  # What the topic or the rule could not deliver ends here rather than nowhere.
  dynamic "statement" {
    for_each = var.notification_path == "s3" ? [] : [local.sender]
    content {
      sid       = "Undelivered"
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.dead_letter.arn]
      principals {
        type        = "Service"
        identifiers = [statement.value.service]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [statement.value.arn]
      }
    }
  }
}

resource "aws_sqs_queue_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.id
  policy    = data.aws_iam_policy_document.dead_letter.json
}

# ------------------------------------------------------------------ the three paths

resource "aws_sns_topic" "this" {
  count             = local.create_topic ? 1 : 0
  name              = var.name
  kms_master_key_id = aws_kms_key.this.arn
}

data "aws_iam_policy_document" "topic" {
  count = local.create_topic ? 1 : 0
  # The bucket's own notifications.
  statement {
    sid       = "FromTheBucket"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[0].arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_bucket]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.trail_account]
    }
  }
  # CloudTrail's notifications, where the trail rather than the bucket is told of the topic.
  statement {
    sid       = "FromTheTrail"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[0].arn]
    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.trails]
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  count  = local.create_topic ? 1 : 0
  arn    = aws_sns_topic.this[0].arn
  policy = data.aws_iam_policy_document.topic[0].json
}

resource "aws_sns_topic_subscription" "this" {
  count     = local.by_sns ? 1 : 0
  topic_arn = local.topic
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.this.arn
  # The body is the notification itself; the envelope would cost bytes and say nothing that is needed.
  raw_message_delivery = true
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_letter.arn })
  depends_on           = [aws_sqs_queue_policy.this, aws_sqs_queue_policy.dead_letter]
}

resource "aws_cloudwatch_event_rule" "this" {
  count       = local.by_eventbridge ? 1 : 0
  name        = "${var.name}-objects"
  description = "Objects that arrive in the trail's bucket"
  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.trail_bucket_name] }
      object = { key = [{ prefix = var.trail_prefix }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  count     = local.by_eventbridge ? 1 : 0
  rule      = aws_cloudwatch_event_rule.this[0].name
  target_id = "queue"
  arn       = aws_sqs_queue.this.arn
  dead_letter_config {
    arn = aws_sqs_queue.dead_letter.arn
  }
}

# Replaces whatever notifications the bucket has: only for a bucket that has none, or none but these.
resource "aws_s3_bucket_notification" "this" {
  count       = var.manage_bucket_notification ? 1 : 0
  bucket      = var.trail_bucket_name
  eventbridge = local.by_eventbridge

  dynamic "queue" {
    for_each = var.notification_path == "s3" ? [aws_sqs_queue.this.arn] : []
    content {
      queue_arn     = queue.value
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = var.trail_prefix
    }
  }

  dynamic "topic" {
    for_each = local.by_sns ? [local.topic] : []
    content {
      topic_arn     = topic.value
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = var.trail_prefix
    }
  }

  # S3 tries the destination when it is told of it: whoever lets S3 in must be there first.
  depends_on = [aws_sqs_queue_policy.this, aws_sns_topic_policy.this]
}

# ------------------------------------------------------------------ the table

resource "aws_s3_bucket" "store" {
  # checkov:skip=CKV_AWS_18:One writer, whose every call is counted; CloudTrail's data events of the bucket say the rest
  # checkov:skip=CKV_AWS_144:A copy in a second region is the operator's choice; README.md, Backup
  # checkov:skip=CKV2_AWS_62:Nothing waits for the table's files
  bucket_prefix = "${var.name}-store-"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Fourteen days in which a deleted or overwritten file of the table can be had back.
resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 14
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "store" {
  # Nobody may speak to the bucket in clear text.
  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.store.arn, "${aws_s3_bucket.store.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  bucket = aws_s3_bucket.store.id
  policy = data.aws_iam_policy_document.store.json
}

# ------------------------------------------------------------------ what the service may do

data "aws_iam_policy_document" "service" {
  # Receive, prolong while working, delete after the commit, and read depth and age for the metrics.
  statement {
    sid       = "Queue"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.this.arn]
  }
  # Read what a notification names, the very version that it names.
  statement {
    sid       = "TrailObjects"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.trail_bucket}/${var.trail_prefix}*"]
  }
  # Backfill lists; and without it S3 answers 403 rather than 404 for an object that is gone.
  statement {
    sid       = "TrailListing"
    actions   = ["s3:ListBucket"]
    resources = [local.trail_bucket]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [var.trail_prefix, "${var.trail_prefix}*"]
    }
  }
  # Objects under the trail's own key; through S3 only, never by hand.
  dynamic "statement" {
    for_each = var.trail_key_arn == "" ? [] : [var.trail_key_arn]
    content {
      sid       = "TrailKey"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.*.${local.suffix}"]
      }
    }
  }
  # Buckets of other accounts, each by the role that its owner made for us.
  dynamic "statement" {
    for_each = length(var.bucket_role_arns) == 0 ? [] : [var.bucket_role_arns]
    content {
      sid       = "OtherAccounts"
      actions   = ["sts:AssumeRole"]
      resources = statement.value
    }
  }
  # What is granted in the named accounts, by this one role of each.
  dynamic "statement" {
    for_each = length(var.permissions_account_ids) == 0 ? [] : [var.permissions_account_ids]
    content {
      sid       = "Permissions"
      actions   = ["sts:AssumeRole"]
      resources = [for id in statement.value : "arn:${local.partition}:iam::${id}:role/${var.permissions_role_name}"]
    }
  }
  # The table: files are written, read by rules and SQL, and deleted by compaction and retention.
  statement {
    sid       = "StoreObjects"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.store.arn}/trailhound/*"]
  }
  # The table's log is found by listing it.
  statement {
    sid       = "StoreListing"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["trailhound", "trailhound/*"]
    }
  }
  # The table is encrypted with the module's key; through S3 and the secret store only.
  statement {
    sid       = "StoreKey"
    actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
    resources = [aws_kms_key.this.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.region}.${local.suffix}", "secretsmanager.${local.region}.${local.suffix}"]
    }
  }
  # The ledger's address and the sinks' keys, each by name.
  dynamic "statement" {
    for_each = local.on_postgres || length(var.sink_secret_arns) > 0 ? [1] : []
    content {
      sid       = "Secrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = concat(aws_secretsmanager_secret.ledger[*].arn, var.sink_secret_arns)
    }
  }
}

resource "aws_iam_policy" "service" {
  name        = var.name
  description = "All that Trailhound does in AWS, and nothing else"
  policy      = data.aws_iam_policy_document.service.json

  lifecycle {
    precondition {
      condition     = length(var.permissions_account_ids) == 0 || var.permissions_external_id != ""
      error_message = "permissions_external_id is needed where permissions_account_ids names accounts."
    }
    precondition {
      condition     = contains(concat([""], var.permissions_account_ids), var.permissions_organization_account_id)
      error_message = "permissions_organization_account_id is one of permissions_account_ids."
    }
  }
}

# A role for a service account of Kubernetes, where the service runs there.
data "aws_iam_policy_document" "oidc" {
  count = var.oidc_provider_arn == "" ? 0 : 1
  # Only this service account of this cluster, and only for AWS's token service.
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${split("oidc-provider/", var.oidc_provider_arn)[1]}:sub"
      values   = ["system:serviceaccount:${var.oidc_service_account}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${split("oidc-provider/", var.oidc_provider_arn)[1]}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "oidc" {
  count              = var.oidc_provider_arn == "" ? 0 : 1
  name               = "${var.name}-service-account"
  assume_role_policy = data.aws_iam_policy_document.oidc[0].json
}

resource "aws_iam_role_policy_attachment" "oidc" {
  count      = var.oidc_provider_arn == "" ? 0 : 1
  role       = aws_iam_role.oidc[0].name
  policy_arn = aws_iam_policy.service.arn
}
