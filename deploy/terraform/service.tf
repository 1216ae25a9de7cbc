# The service on Fargate, its ledger on PostgreSQL or EFS, and the alarms. All of it stands and falls with var.ledger.

locals {
  scraped = local.serves && var.monitoring_security_group_id != ""
  permissions = length(var.permissions_account_ids) == 0 ? "" : join("\n", [
    "[permissions]",
    "accounts = ${jsonencode(var.permissions_account_ids)}",
    var.permissions_organization_account_id == "" ? "" : "organization = \"${var.permissions_organization_account_id}\"",
    "role = \"${var.permissions_role_name}\"",
    "external_id = \"${var.permissions_external_id}\"",
    "region = \"${local.region}\"",
  ])
  configuration = join("\n", [
    "[store]",
    "location = \"s3://${aws_s3_bucket.store.id}/trailhound\"",
    local.on_postgres ? "ledger = { aws_secret = \"${aws_secretsmanager_secret.ledger[0].arn}\" }" : "ledger = \"/var/lib/trailhound/ledger.sqlite\"",
    "[[queue]]",
    "url = \"${aws_sqs_queue.this.url}\"",
    "region = \"${local.region}\"",
    "[http]",
    "bind = \"${local.scraped ? "0.0.0.0" : "127.0.0.1"}:9187\"",
    "[shutdown]",
    "grace_seconds = 25",
    local.permissions,
    var.extra_configuration,
  ])
}

# ------------------------------------------------------------------ roles

data "aws_iam_policy_document" "tasks" {
  # Only tasks of this account.
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "task" {
  count              = local.serves ? 1 : 0
  name               = "${var.name}-task"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "task" {
  count      = local.serves ? 1 : 0
  role       = aws_iam_role.task[0].name
  policy_arn = aws_iam_policy.service.arn
}

data "aws_iam_policy_document" "files" {
  count = local.on_efs ? 1 : 0
  # The ledger's folder, and only through the access point that is this folder.
  statement {
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.this[0].arn]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.this[0].arn]
    }
  }
}

resource "aws_iam_role_policy" "files" {
  count  = local.on_efs ? 1 : 0
  name   = "file-system"
  role   = aws_iam_role.task[0].id
  policy = data.aws_iam_policy_document.files[0].json
}

resource "aws_iam_role" "execution" {
  count              = local.serves ? 1 : 0
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

# AWS's own policy: pull the image, write the log. The container itself never holds this role.
resource "aws_iam_role_policy_attachment" "execution" {
  count      = local.serves ? 1 : 0
  role       = aws_iam_role.execution[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

# ------------------------------------------------------------------ the task

resource "aws_cloudwatch_log_group" "this" {
  count             = local.serves ? 1 : 0
  name              = "/trailhound/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_ecs_cluster" "this" {
  count = local.serves ? 1 : 0
  name  = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_security_group" "task" {
  count       = local.serves ? 1 : 0
  name        = "${var.name}-task"
  description = "Task of Trailhound"
  vpc_id      = var.vpc_id
}

# AWS's services and the sinks; their addresses change, so all of them.
resource "aws_vpc_security_group_egress_rule" "https" {
  count             = local.serves ? 1 : 0
  security_group_id = aws_security_group.task[0].id
  description       = "AWS and the sinks"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "ledger" {
  count                        = local.serves ? 1 : 0
  security_group_id            = aws_security_group.task[0].id
  description                  = "The ledger"
  ip_protocol                  = "tcp"
  from_port                    = local.on_postgres ? 5432 : 2049
  to_port                      = local.on_postgres ? 5432 : 2049
  referenced_security_group_id = aws_security_group.ledger[0].id
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  count                        = local.scraped ? 1 : 0
  security_group_id            = aws_security_group.task[0].id
  description                  = "Prometheus scrapes"
  ip_protocol                  = "tcp"
  from_port                    = 9187
  to_port                      = 9187
  referenced_security_group_id = var.monitoring_security_group_id
}

resource "aws_ecs_task_definition" "this" {
  count                    = local.serves ? 1 : 0
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task[0].arn
  execution_role_arn       = aws_iam_role.execution[0].arn

  volume {
    name = "configuration"
  }
  volume {
    name = "scratch"
  }
  volume {
    name = "state"
    dynamic "efs_volume_configuration" {
      for_each = local.on_efs ? [1] : []
      content {
        file_system_id     = aws_efs_file_system.this[0].id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = aws_efs_access_point.this[0].id
          iam             = "ENABLED"
        }
      }
    }
  }

  container_definitions = jsonencode([
    {
      # Writes the configuration and ends: the service's image has no shell and its root file system is read-only.
      name                   = "configure"
      image                  = var.init_image
      essential              = false
      readonlyRootFilesystem = true
      entryPoint             = ["/bin/sh", "-c"]
      command                = ["printf \"%s\\n\" \"$CONFIGURATION\" > /etc/trailhound/trailhound.toml"]
      environment            = [{ name = "CONFIGURATION", value = local.configuration }]
      mountPoints            = [{ sourceVolume = "configuration", containerPath = "/etc/trailhound" }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this[0].name
          awslogs-region        = local.region
          awslogs-stream-prefix = "configure"
        }
      }
    },
    {
      name                   = "trailhound"
      image                  = var.image
      essential              = true
      user                   = "65532:65532"
      readonlyRootFilesystem = true
      command                = ["serve", "--config", "/etc/trailhound/trailhound.toml"]
      dependsOn              = [{ containerName = "configure", condition = "SUCCESS" }]
      environment            = [{ name = "TMPDIR", value = "/tmp" }]
      # Longer than grace_seconds: the drain ends by itself before it is ended.
      stopTimeout     = 60
      linuxParameters = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }
      healthCheck = {
        command     = ["CMD", "/usr/local/bin/healthcheck"]
        interval    = 15
        timeout     = 5
        retries     = 4
        startPeriod = 120
      }
      mountPoints = [
        { sourceVolume = "configuration", containerPath = "/etc/trailhound", readOnly = true },
        { sourceVolume = "state", containerPath = "/var/lib/trailhound" },
        { sourceVolume = "scratch", containerPath = "/tmp" },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this[0].name
          awslogs-region        = local.region
          awslogs-stream-prefix = "trailhound"
        }
      }
    },
  ])
}

resource "aws_ecs_service" "this" {
  count            = local.serves ? 1 : 0
  name             = var.name
  cluster          = aws_ecs_cluster.this[0].id
  launch_type      = "FARGATE"
  platform_version = "LATEST"
  task_definition  = aws_ecs_task_definition.this[0].arn
  desired_count    = 1
  # Stop before start: one detector, one ledger file. What arrives meanwhile waits in the queue.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = false
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.task[0].id]
  }

  lifecycle {
    precondition {
      condition     = var.image != "" && var.vpc_id != "" && length(var.subnet_ids) >= 2
      error_message = "image, vpc_id and two subnet_ids are needed unless ledger is none."
    }
  }
}

# ------------------------------------------------------------------ the ledger

# The database's or the file system's; it lets in the service and begins nothing itself.
resource "aws_security_group" "ledger" {
  # checkov:skip=CKV2_AWS_5:It is attached to the database or to the mount targets, by an index that the check cannot follow
  count       = local.serves ? 1 : 0
  name        = "${var.name}-ledger"
  description = "Ledger of Trailhound"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "ledger" {
  count                        = local.serves ? 1 : 0
  security_group_id            = aws_security_group.ledger[0].id
  description                  = "Only the service"
  ip_protocol                  = "tcp"
  from_port                    = local.on_postgres ? 5432 : 2049
  to_port                      = local.on_postgres ? 5432 : 2049
  referenced_security_group_id = aws_security_group.task[0].id
}

# Letters and digits: the password stands in an address. It is in Terraform's state, which must be kept as a secret.
resource "random_password" "ledger" {
  count   = local.on_postgres ? 1 : 0
  length  = 40
  special = false
}

resource "aws_secretsmanager_secret" "ledger" {
  # checkov:skip=CKV2_AWS_57:The address holds the password that the database has; both are changed together, by apply
  count       = local.on_postgres ? 1 : 0
  name_prefix = "${var.name}-ledger-"
  description = "The address of the ledger's database, with its password"
  kms_key_id  = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "ledger" {
  count         = local.on_postgres ? 1 : 0
  secret_id     = aws_secretsmanager_secret.ledger[0].id
  secret_string = "postgres://trailhound:${random_password.ledger[0].result}@${aws_db_instance.this[0].endpoint}/trailhound?sslmode=require"
}

resource "aws_db_subnet_group" "this" {
  count      = local.on_postgres ? 1 : 0
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  count  = local.on_postgres ? 1 : 0
  name   = var.name
  family = "postgres17"
  # Nobody speaks to the ledger in clear text.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
  # A statement is logged when it is slow, and when it changes the schema.
  parameter {
    name  = "log_statement"
    value = "ddl"
  }
}

data "aws_iam_policy_document" "monitoring" {
  # RDS writes the instance's own figures to the log service.
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  count              = local.on_postgres ? 1 : 0
  name               = "${var.name}-ledger-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  count      = local.on_postgres ? 1 : 0
  role       = aws_iam_role.monitoring[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_161:IAM tokens live for 15 minutes and the service knows an address with a password
  # checkov:skip=CKV_AWS_157:database_multi_az is true unless somebody says otherwise
  count                           = local.on_postgres ? 1 : 0
  identifier                      = var.name
  engine                          = "postgres"
  engine_version                  = "17"
  instance_class                  = var.database_class
  db_name                         = "trailhound"
  parameter_group_name            = aws_db_parameter_group.this[0].name
  allocated_storage               = 20
  max_allocated_storage           = 200
  storage_type                    = "gp3"
  storage_encrypted               = true
  kms_key_id                      = aws_kms_key.this.arn
  multi_az                        = var.database_multi_az
  publicly_accessible             = false
  username                        = "trailhound"
  password                        = random_password.ledger[0].result
  db_subnet_group_name            = aws_db_subnet_group.this[0].name
  vpc_security_group_ids          = [aws_security_group.ledger[0].id]
  backup_retention_period         = 14
  copy_tags_to_snapshot           = true
  deletion_protection             = true
  skip_final_snapshot             = false
  final_snapshot_identifier       = "${var.name}-last"
  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.this.arn
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring[0].arn
}

resource "aws_efs_file_system" "this" {
  count           = local.on_efs ? 1 : 0
  encrypted       = true
  kms_key_id      = aws_kms_key.this.arn
  throughput_mode = "elastic"
}

resource "aws_efs_backup_policy" "this" {
  count          = local.on_efs ? 1 : 0
  file_system_id = aws_efs_file_system.this[0].id
  backup_policy {
    status = "ENABLED"
  }
}

data "aws_iam_policy_document" "file_system" {
  count = local.on_efs ? 1 : 0
  # Roles of this account, as far as their own policy goes (here one access point), and only with TLS.
  statement {
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = [aws_efs_file_system.this[0].arn]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["true"]
    }
  }
}

resource "aws_efs_file_system_policy" "this" {
  count          = local.on_efs ? 1 : 0
  file_system_id = aws_efs_file_system.this[0].id
  policy         = data.aws_iam_policy_document.file_system[0].json
}

resource "aws_efs_access_point" "this" {
  count          = local.on_efs ? 1 : 0
  file_system_id = aws_efs_file_system.this[0].id
  posix_user {
    uid = 65532
    gid = 65532
  }
  root_directory {
    path = "/trailhound"
    creation_info {
      owner_uid   = 65532
      owner_gid   = 65532
      permissions = "0700"
    }
  }
}

resource "aws_efs_mount_target" "this" {
  count           = local.on_efs ? length(var.subnet_ids) : 0
  file_system_id  = aws_efs_file_system.this[0].id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.ledger[0].id]
}

# ------------------------------------------------------------------ alarms: what Prometheus inside cannot say

resource "aws_cloudwatch_metric_alarm" "queue_age" {
  alarm_name          = "${var.name}-queue-age"
  alarm_description   = "The oldest message waits too long. The service is down, slow, or cannot write."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  threshold           = var.queue_age_seconds
  comparison_operator = "GreaterThanThreshold"
  # An idle queue reports no age, which is well.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarm_topic_arns
  ok_actions         = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "dead_letter" {
  alarm_name          = "${var.name}-dead-letter"
  alarm_description   = "Messages lie in the dead-letter queue. Find out why, then move them back."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letter.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "nothing_sent" {
  alarm_name          = "${var.name}-nothing-sent"
  alarm_description   = "For an hour nothing was sent to the queue. The trail, the notification or a policy is broken."
  namespace           = "AWS/SQS"
  metric_name         = "NumberOfMessagesSent"
  dimensions          = { QueueName = aws_sqs_queue.this.name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  # A queue that is never used reports nothing at all: that is the very fault.
  treat_missing_data = "breaching"
  alarm_actions      = var.alarm_topic_arns
  ok_actions         = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "not_running" {
  count               = local.serves ? 1 : 0
  alarm_name          = "${var.name}-not-running"
  alarm_description   = "No task of the service runs. Read why in its events and in the log group."
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = aws_ecs_cluster.this[0].name, ServiceName = aws_ecs_service.this[0].name }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
