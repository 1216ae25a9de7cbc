//! `json_text(json, key [, key …])`: the scalar at a path, as text.

use std::sync::Arc;

use arrow::array::StringViewBuilder;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use trailhound_ingest::json::at_path;

use super::text::Texts;

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonText {
    signature: Signature,
}

pub(super) fn function() -> ScalarUDF {
    let signature = Signature::new(TypeSignature::Variadic(vec![DataType::Utf8View]), Volatility::Immutable);
    ScalarUDF::new_from_impl(JsonText { signature })
}

impl ScalarUDFImpl for JsonText {
    fn name(&self) -> &str {
        "json_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        if args.len() < 2 {
            return Err(DataFusionError::Plan("json_text takes the JSON and at least one key".into()));
        }
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = Texts::new(&args.args)?;
        let keys = args.args.len() - 1;
        let mut found = StringViewBuilder::with_capacity(texts.rows);
        let mut path = Vec::with_capacity(keys);
        for row in 0..texts.rows {
            path.clear();
            path.extend((1..=keys).map_while(|key| texts.get(key, row)));
            let json = texts.get(0, row).filter(|_| path.len() == keys);
            found.append_option(json.and_then(|json| at_path(json, &path)));
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}
