# A role of one account, by which the service reads who may do what there: the same as permissions-role.yaml, where the
# reasons stand too. It may change nothing. Once for each account, with the credentials of that account:
#
#   module "permissions_role_production" {
#     source      = "…/deploy/terraform/permissions-role"
#     providers   = { aws = aws.production }
#     reader_arn  = module.trailhound.task_role_arn
#     external_id = "…"
#   }

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "reader_arn" {
  type        = string
  description = "Who takes the role on: the module's output task_role_arn or service_account_role_arn"
}

variable "external_id" {
  type        = string
  description = "A word that the reader has to say, one for each organisation: permissions_external_id of the module"
}

variable "name" {
  type        = string
  default     = "trailhound-permissions"
  description = "The same in all accounts: permissions_role_name of the module"
}

variable "organization" {
  type        = bool
  default     = false
  description = "True in the one account that is asked about the organization: permissions_organization_account_id of the module"
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

data "aws_iam_policy_document" "trust" {
  # The reader, and only when it says the word.
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.reader_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

data "aws_iam_policy_document" "read" {
  # checkov:skip=CKV_AWS_356:Actions that know no smaller resource than the account, and only read it
  # Users, groups, roles and policies. IAM knows no smaller resource for it than the account.
  statement {
    sid       = "Granted"
    actions   = ["iam:GetAccountAuthorizationDetails"]
    resources = ["*"]
  }
  # Passwords, second factors, root's keys; what the account calls itself.
  statement {
    sid       = "Credentials"
    actions   = ["iam:GenerateCredentialReport", "iam:GetCredentialReport", "iam:ListAccountAliases"]
    resources = ["*"]
  }
  # The ids of keys, and when each was used.
  statement {
    sid       = "Keys"
    actions   = ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"]
    resources = ["arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:user/*"]
  }
  # When users and roles last accessed which services, if that is asked for (last_accessed).
  statement {
    sid       = "LastAccessed"
    actions   = ["iam:GenerateServiceLastAccessedDetails", "iam:GetServiceLastAccessedDetails"]
    resources = ["*"]
  }
  # Which of the organization's policies limit which accounts. Its lists know no smaller resource.
  dynamic "statement" {
    for_each = var.organization ? [true] : []
    content {
      sid = "Organization"
      actions = [
        "organizations:DescribeOrganization",
        "organizations:ListRoots",
        "organizations:ListOrganizationalUnitsForParent",
        "organizations:ListAccountsForParent",
        "organizations:ListPolicies",
        "organizations:DescribePolicy",
        "organizations:ListTargetsForPolicy",
      ]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  description        = "Read by trailhound"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = "read-permissions"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.read.json
}

output "role_arn" {
  value       = aws_iam_role.this.arn
  description = "What the service takes on"
}
