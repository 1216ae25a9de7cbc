# Where the logs are.

variable "name" {
  type        = string
  default     = "trailhound"
  description = "What everything is called"
}

variable "trail_bucket_name" {
  type        = string
  description = "The bucket that CloudTrail writes to"
}

variable "trail_prefix" {
  type        = string
  default     = "AWSLogs/"
  description = "Only keys that begin with this are told of and may be read"
}

variable "trail_account_id" {
  type        = string
  default     = ""
  description = "The account that owns the bucket and the trail; empty is this one"
}

variable "trail_key_arn" {
  type        = string
  default     = ""
  description = "The KMS key that encrypts the trail's objects; empty if S3's own key does"
}

variable "bucket_role_arns" {
  type        = list(string)
  default     = []
  description = "Roles in other accounts that the service may assume to read their buckets"
}

# How their arrival is told.

variable "notification_path" {
  type        = string
  default     = "s3"
  description = "S3 to the queue (s3), S3 or CloudTrail to a topic to the queue (sns), or S3 to EventBridge to the queue"

  validation {
    condition     = contains(["s3", "sns", "eventbridge"], var.notification_path)
    error_message = "notification_path is one of s3, sns, eventbridge."
  }
}

variable "manage_bucket_notification" {
  type        = bool
  default     = false
  description = "Sets the bucket's notifications. It replaces ALL that the bucket has, so it is off"
}

variable "trail_topic_arn" {
  type        = string
  default     = ""
  description = "With sns, the topic that exists already; empty makes one"
}

variable "max_receive_count" {
  type        = number
  default     = 100
  description = "A message received this often goes to the dead-letter queue"
}

# Whose permissions are read.

variable "permissions_account_ids" {
  type        = list(string)
  default     = []
  description = "Accounts whose users, roles and policies are read each day, by a role that permissions-role/ makes there"

  validation {
    condition     = alltrue([for id in var.permissions_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "permissions_account_ids are account ids of twelve digits."
  }
}

variable "permissions_organization_account_id" {
  type        = string
  default     = ""
  description = "Of these accounts the one that is asked about the organization's policies: its management account, or one that may ask in its place"
}

variable "permissions_role_name" {
  type        = string
  default     = "trailhound-permissions"
  description = "The name of that role, the same in all accounts"
}

variable "permissions_external_id" {
  type        = string
  default     = ""
  description = "The word that these roles ask for"
}

# The service.

variable "ledger" {
  type        = string
  default     = "postgres"
  description = "Where the service keeps its ledger: postgres, efs, or none, which makes no service"

  validation {
    condition     = contains(["postgres", "efs", "none"], var.ledger)
    error_message = "ledger is one of postgres, efs, none."
  }
}

variable "image" {
  type        = string
  default     = ""
  description = "The service's image, by digest"
}

variable "init_image" {
  type        = string
  default     = "public.ecr.aws/docker/library/busybox:1.37.0"
  description = "An image with a shell that writes the configuration before the service starts"
}

variable "cpu" {
  type        = number
  default     = 1024
  description = "CPU units of the task; 1024 is one processor"
}

variable "memory" {
  type        = number
  default     = 4096
  description = "MiB of the task"
}

variable "vpc_id" {
  type        = string
  default     = ""
  description = "The network of the service"
}

variable "subnet_ids" {
  type        = list(string)
  default     = []
  description = "Two private subnets or more, with a way to AWS and to the sinks by NAT or endpoints"
}

variable "database_class" {
  type        = string
  default     = "db.t4g.small"
  description = "The class of the PostgreSQL instance"
}

variable "database_multi_az" {
  type        = bool
  default     = true
  description = "A standby in a second zone; the ledger can be rebuilt in part only, so it is on"
}

variable "extra_configuration" {
  type        = string
  default     = ""
  description = "TOML that is added to the configuration, such as sinks and routes; secrets only by aws_secret"
}

variable "sink_secret_arns" {
  type        = list(string)
  default     = []
  description = "The secrets that extra_configuration names"
}

variable "monitoring_security_group_id" {
  type        = string
  default     = ""
  description = "Who may scrape the metrics; empty keeps them on loopback"
}

variable "oidc_provider_arn" {
  type        = string
  default     = ""
  description = "With ledger = none, the cluster's identity provider: makes a role for the service account below"
}

variable "oidc_service_account" {
  type        = string
  default     = "trailhound:trailhound"
  description = "NAMESPACE:NAME of the service account that may take the role"
}

# Watching.

variable "log_retention_days" {
  type        = number
  default     = 365
  description = "How long the service's own log is kept"
}

variable "queue_age_seconds" {
  type        = number
  default     = 900
  description = "An oldest message above this age raises an alarm"
}

variable "alarm_topic_arns" {
  type        = list(string)
  default     = []
  description = "Topics that alarms are told to"
}
