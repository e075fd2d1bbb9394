# The values of envs/*.tfvars, for the tests: a test cannot read a var-file itself.
terraform {
  required_providers {
    terraform = { source = "terraform.io/builtin/terraform" }
  }
}

locals {
  folder = "${path.module}/../../envs"
}

output "values" {
  description = "What each environment sets, by its name."
  value = {
    for file in fileset(local.folder, "*.tfvars") :
    trimsuffix(file, ".tfvars") => provider::terraform::decode_tfvars(file("${local.folder}/${file}"))
  }
}
