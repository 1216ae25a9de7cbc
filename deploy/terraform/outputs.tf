output "queue_url" {
  value       = aws_sqs_queue.this.url
  description = "For [[queue]] in trailhound.toml"
}

output "queue_arn" {
  value       = aws_sqs_queue.this.arn
  description = "Who sends to it names this"
}

output "dead_letter_queue_url" {
  value       = aws_sqs_queue.dead_letter.url
  description = "Should be empty"
}

output "store_location" {
  value       = "s3://${aws_s3_bucket.store.id}/trailhound"
  description = "For [store] in trailhound.toml"
}

output "service_policy_arn" {
  value       = aws_iam_policy.service.arn
  description = "Attach it to the role of the service where this module does not run it"
}

output "task_role_arn" {
  value       = one(aws_iam_role.task[*].arn)
  description = "Who the service is; reader_arn of permissions-role/"
}

output "service_account_role_arn" {
  value       = one(aws_iam_role.oidc[*].arn)
  description = "For the annotation of the service account (deploy/kubernetes/account.yaml)"
}

output "notification_topic_arn" {
  value       = local.by_sns ? local.topic : null
  description = "The topic that the bucket or the trail publishes to"
}
